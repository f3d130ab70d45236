/** Reports of conversions as Markdown, JSON and pages with charts: what one can hope for, and what it cost. */
@NullMarked
package ai.molae.djl.convert.report;

import org.jspecify.annotations.NullMarked;
