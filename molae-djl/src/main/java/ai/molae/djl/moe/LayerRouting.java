package ai.molae.djl.moe;

import ai.molae.route.LoadStatistics;

/**
 * What the router of a MoE layer did with the tokens of an optimizer step, padding left out.
 *
 * @param layer the number of the decoder layer, from 0
 * @param load how the tokens spread over the experts
 * @param entropy mean over the tokens of the entropy of the router's probabilities, in nats: ln N if it is undecided, 0 if certain
 * @param balanceLoss the load-balancing loss without its coefficient
 * @param zLoss the router z-loss without its coefficient
 */
public record LayerRouting(int layer, LoadStatistics load, double entropy, double balanceLoss, double zLoss) {}
