package ai.molae.spec;

/** The feed-forward part of a decoder layer: dense or mixture of experts. */
public sealed interface FeedForwardSpec permits DenseSpec, MoeSpec {

    /**
     * The width of the residual stream it reads and writes.
     *
     * @return n
     */
    int hiddenSize();
}
