/** Reports of conversions as Markdown, JSON and pages. */
@NullMarked
package ai.molae.djl.convert.report;

import org.jspecify.annotations.NullMarked;
