package ai.molae.cli.eval;

import ai.molae.route.LoadStatistics;

/**
 * What a text did with the experts of a layer.
 *
 * @param layer the layer's number in the model
 * @param load how its tokens spread over them
 * @param routerEntropy mean over the tokens of the entropy of the router's probabilities, in nats
 */
public record LayerUse(int layer, LoadStatistics load, double routerEntropy) {

    /**
     * How undecided the router is.
     *
     * @return its entropy over the greatest possible, from 0 (certain) to 1 (undecided); 1 of a single expert
     */
    public double normalisedRouterEntropy() {
        int experts = load.tokensPerExpert().length;
        return experts == 1 ? 1 : routerEntropy / Math.log(experts);
    }
}
