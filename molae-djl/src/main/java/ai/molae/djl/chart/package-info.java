/**
 * Pages with charts: one HTML file without scripts that loads nothing, light or dark as the reader has it. These are the means of molae's own
 * reports and follow their needs. Plain Java.
 */
@NullMarked
package ai.molae.djl.chart;

import org.jspecify.annotations.NullMarked;
