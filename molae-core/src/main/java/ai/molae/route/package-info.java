/**
 * How tokens choose experts: <em>the semantics</em>, in plain Java and double precision. Every faster router is tested
 * against this one.
 *
 * <p>Legend of the letters used in Javadoc and as suffixes of variable names:
 *
 * <pre>
 *   T  tokens (rows of a batch after flattening)      l  router logits       [T, N]
 *   N  numExperts                                     s  scores of l         [T, N]
 *   K  topK                                           b  correction bias     [N]
 *                                                     c  choice scores s + b [T, N]
 *                                                     p  routing weights     [T, K]
 * </pre>
 *
 * {@link ai.molae.route.TopKRouter} turns logits into a {@link ai.molae.route.Routing};
 * {@link ai.molae.route.BalanceLoss} holds what keeps the experts evenly used and
 * {@link ai.molae.route.LoadStatistics} says whether they are.
 */
package ai.molae.route;
