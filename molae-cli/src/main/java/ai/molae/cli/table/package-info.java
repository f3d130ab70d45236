/** Tables of numbers with units, as text, Markdown, CSV and JSON. */
@NullMarked
package ai.molae.cli.table;

import org.jspecify.annotations.NullMarked;
