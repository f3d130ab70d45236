package ai.molae.bench.contender;

import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * Chooses experts and sorts the choices, with the formulas of {@link ai.molae.route.TopKRouter}. Tensors that are returned belong to the caller's
 * {@code PointerScope}.
 */
final class JavaCppRouter implements AutoCloseable {

    private static final double SMALLEST_SUM = 1e-20;

    private final MoeSpec spec;
    private final RouterSpec router;
    private final JavaCppWeights weights;
    private final Tensor places;

    /**
     * A router.
     *
     * @param placeOf of each expert, its place in the order that slots are sorted by
     */
    JavaCppRouter(MoeSpec spec, JavaCppWeights weights, long[] placeOf) {
        this.spec = spec;
        this.router = spec.router();
        this.weights = weights;
        this.places = JavaCppTorch.keep(Tensor.create(placeOf));
    }

    /**
     * The choices of all tokens, slot by slot, sorted by the place of the expert.
     *
     * @param tokens {@code [T·K]} of each slot, its token
     * @param weights {@code [T·K, 1]} of each slot, what the expert's output is multiplied by
     * @param counts of each place, how many slots
     */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    record Slots(Tensor tokens, Tensor weights, long[] counts) {}

    /** Routes tokens {@code [T, n]}, float32. */
    Slots route(Tensor x) {
        Tensor logits = torch.linear(x, weights.matrix("router"));
        Tensor scores =
                switch (router.scoreFunction()) {
                    case SOFTMAX -> logits.softmax(1);
                    case SIGMOID -> logits.sigmoid();
                    case SOFTMAX_OVER_CHOSEN -> logits;
                };
        Tensor choice = router.correctionBias() ? scores.add(weights.matrix("e_score_correction_bias")) : scores;
        Tensor experts = second(withinBestGroups(choice).topk(spec.topK()));
        Tensor p = weights(scores.gather(1, experts)).reshape(-1);
        Tensor placed = places.index_select(0, experts.reshape(-1));
        Tensor order = placed.argsort(true, 0, false);
        return new Slots(
                order.floor_divide(new Scalar((long) spec.topK())),
                p.index_select(0, order).reshape(-1, 1),
                counts(placed));
    }

    private Tensor withinBestGroups(Tensor choice) {
        if (router.nGroup() == 1) {
            return choice;
        }
        Tensor grouped = choice.reshape(choice.size(0), router.nGroup(), -1);
        Tensor groupScores = router.groupScore() == GroupScore.MAX
                ? grouped.amax(new long[] {2}, false)
                : grouped.topk(2, 2, true, false).get0().sum(2);
        Tensor best = second(groupScores.topk(router.topkGroup()));
        Tensor others = groupScores.isfinite().scatter_(1, best, new Scalar(0));
        return grouped.masked_fill(others.reshape(-1, router.nGroup(), 1), new Scalar(Double.NEGATIVE_INFINITY))
                .reshape(choice.size(0), -1);
    }

    private Tensor weights(Tensor chosen) {
        Tensor p = chosen;
        if (router.scoreFunction() == ScoreFunction.SOFTMAX_OVER_CHOSEN) {
            p = p.softmax(1);
        } else if (router.normTopkProb()) {
            p = p.div(p.sum(1).add(new Scalar(SMALLEST_SUM)).reshape(-1, 1));
        }
        return router.routedScalingFactor() == 1 ? p : p.mul(new Scalar(router.routedScalingFactor()));
    }

    private long[] counts(Tensor placed) {
        long[] counts = new long[spec.numExperts()];
        try (LongPointer data =
                placed.bincount(new TensorOptional(), counts.length).data_ptr_long()) {
            data.get(counts);
        }
        return counts;
    }

    private static Tensor second(T_TensorTensor_T pair) {
        return pair.get1();
    }

    @Override
    public void close() {
        places.close();
    }
}
