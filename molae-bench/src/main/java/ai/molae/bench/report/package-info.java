/** Results as a page, as Markdown and as a table. */
@NullMarked
package ai.molae.bench.report;

import org.jspecify.annotations.NullMarked;
