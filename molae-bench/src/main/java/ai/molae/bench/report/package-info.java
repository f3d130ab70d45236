/** Results as a page with charts, as Markdown and as a table for programs. */
@NullMarked
package ai.molae.bench.report;

import org.jspecify.annotations.NullMarked;
