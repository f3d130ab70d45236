package ai.molae.djl.convert.calibrate;

/**
 * What was counted of the experts of a layer. Arrays are indexed by expert.
 *
 * @param tokens T, tokens the layer read
 * @param counts tokens that chose the expert
 * @param gateMass Σ of the routing weights p_i(x) over the tokens that chose it
 * @param softMass Σ of the router's scores over all tokens, chosen or not (softmax probabilities; sigmoids normalised to sum to 1)
 * @param outputNorm mean over its tokens of ‖E_i(x)‖₂; 0 without tokens
 * @param weightedOutputNorm mean over its tokens of p_i(x) ‖E_i(x)‖₂, the importance of REAP (arXiv 2510.13999); 0 without tokens
 * @param coActivation {@code [N][N]}: tokens that chose both; the diagonal is {@code counts}
 */
@SuppressWarnings("ArrayRecordComponent") // a plain holder, never compared
public record ExpertStatistics(
        long tokens,
        long[] counts,
        double[] gateMass,
        double[] softMass,
        double[] outputNorm,
        double[] weightedOutputNorm,
        long[][] coActivation) {}
