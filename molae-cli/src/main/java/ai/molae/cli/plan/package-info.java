/**
 * The numbers behind {@code molae plan}: one list of {@link ai.molae.cli.plan.Row}s, made by
 * {@link ai.molae.cli.plan.Plan} and written by {@link ai.molae.cli.plan.PlanFormat} as text, CSV or JSON.
 */
@NullMarked
package ai.molae.cli.plan;

import org.jspecify.annotations.NullMarked;
