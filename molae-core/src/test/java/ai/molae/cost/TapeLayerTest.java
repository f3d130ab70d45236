package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.Activation;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import ai.molae.spec.SlidingWindow;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * Bytes of layers of hidden size 8 in 2 sequences of 3 tokens, counted by hand array by array: per token, and of weights that are cast. That
 * these are the arrays that libtorch keeps is measured where it runs, in molae-djl's MemoryEstimateTest.
 */
class TapeLayerTest {

    private static final int TOKENS = 6;

    /** h, and what lies between the two parts. */
    private static final double STREAM = 2 * 32;

    /** Of 8 numbers: scaled, the scale, the output. */
    private static final double NORM = 32 + 4 + 32;

    /** The same without the output, of which products read casts. */
    private static final double CAST_NORM = 32 + 4;

    private static final AttentionSpec GROUPED = GroupedQueryAttentionSpec.of(3, 1, 4);

    /** Norm; queries, keys, values and outputs of 3 x 4 each, and a number per head. */
    private static final double GROUPED_HELD = NORM + 4 * 4 * 12 + 4 * 3;

    /** Queries, keys and values with a gradient each; three arrays of the stream. */
    private static final double GROUPED_TEMPORARY = 8 * 36 + 3 * 32;

    private static final AttentionSpec SMALL = GroupedQueryAttentionSpec.of(1, 1, 2);
    private static final double SMALL_HELD = NORM + 4 * 4 * 2 + 4;

    private static final DenseSpec DENSE = DenseSpec.swiglu(8, 40);

    private static StepSettings settings(ElementType products, StepTrait... traits) {
        return new StepSettings(products, 2, 3, 0, 8, 0, Set.of(traits));
    }

    private static TapeLayer.Bytes float32(AttentionSpec attention, FeedForwardSpec feedForward, StepTrait... traits) {
        return TapeLayer.of(model(attention, feedForward), 0, settings(ElementType.FLOAT32, traits));
    }

    private static TapeLayer.Bytes bfloat16(AttentionSpec attention, FeedForwardSpec feedForward, StepTrait... traits) {
        return TapeLayer.of(model(attention, feedForward), 0, settings(ElementType.BFLOAT16, traits));
    }

    private static ModelSpec model(AttentionSpec attention, FeedForwardSpec feedForward) {
        return ModelSpec.builder()
                .setVocabSize(5)
                .setAttention(attention)
                .addLayers(1, feedForward)
                .optMaxPositionEmbeddings(64)
                .build();
    }

    private static void assertBytes(
            TapeLayer.Bytes bytes, double heldPerToken, double heldOfWeights, double temporary) {
        assertThat(bytes.held()).isCloseTo(TOKENS * heldPerToken + heldOfWeights, within(1e-9));
        assertThat(bytes.temporary()).isCloseTo(temporary, within(1e-9));
    }

    @Test
    void aDenseLayerInFloat32() {
        // Gate and up, its activation and the product: 4 x 40; in the backward pass 5 x 40 and two arrays of the
        // stream.
        assertBytes(
                float32(GROUPED, DENSE), STREAM + GROUPED_HELD + NORM + 4 * 4 * 40, 0, TOKENS * (64 + 4 * 5 * 40.0));
        // A narrow network needs less than attention.
        assertBytes(
                float32(GROUPED, DenseSpec.swiglu(8, 10)),
                STREAM + GROUPED_HELD + NORM + 4 * 4 * 10,
                0,
                TOKENS * GROUPED_TEMPORARY);
        assertBytes(
                float32(GROUPED, new DenseSpec(8, 60, Activation.GELU, false)),
                STREAM + GROUPED_HELD + NORM + 4 * 2 * 60,
                0,
                TOKENS * (64 + 4 * 2 * 60.0));
    }

    @Test
    void bfloat16KeepsCastsOfWhatProductsReadAndOfTheirWeights() {
        double attention = CAST_NORM + 3 * 16 + 2 * 4 * 12 + 4 * 3;
        double dense = CAST_NORM + 16 + 2 * 4 * 40;
        double weights = 2 * 8 * (12 + 4 + 4) + 2 * 12 * 8 + 2 * 8 * 80 + 2 * 40 * 8;

        assertBytes(bfloat16(GROUPED, DENSE), STREAM + attention + dense, weights, TOKENS * (64 + 2 * 5 * 40.0));
    }

    @Test
    void copiedProductsKeepWhatTheyReadAndMake() {
        double attention = 4 * (8 + 12) + 2 * 4 * (8 + 4) + 4 * (12 + 8);
        double dense = 4 * (8 + 80) + 4 * (40 + 8);

        assertThat(float32(GROUPED, DENSE, StepTrait.COPIED_PRODUCTS).held()
                        - float32(GROUPED, DENSE).held())
                .isEqualTo(TOKENS * (attention + dense));
        assertThat(bfloat16(GROUPED, DENSE, StepTrait.COPIED_PRODUCTS)).isEqualTo(bfloat16(GROUPED, DENSE));
    }

    @Test
    void normalisedQueriesAndKeysAreKeptBeforeAndAfter() {
        AttentionSpec normalised = new GroupedQueryAttentionSpec(3, 1, 4, 10_000, false, QkNorm.PER_HEAD);

        assertThat(float32(normalised, DENSE).held() - float32(GROUPED, DENSE).held())
                .isEqualTo(TOKENS * 2 * 4.0 * (12 + 4));
    }

    @Test
    void masksAreKeptWhereAWindowSlidesOrTokensArePadding() {
        double plain = float32(GROUPED, DENSE).held();

        assertThat(float32(GROUPED, DENSE, StepTrait.PADDED).held() - plain).isEqualTo(2 * 4 * 3.0 * 3);
        assertThat(float32(window(2, 0), DENSE).held() - plain).isEqualTo(4 * 3.0 * 3);
        assertThat(float32(window(2, 0), DENSE, StepTrait.PADDED).held() - plain)
                .isEqualTo(2 * 4 * 3.0 * 3);
        assertThat(float32(window(3, 0), DENSE).held()).isEqualTo(plain);
    }

    private static AttentionSpec window(int size, int layer) {
        return new GroupedQueryAttentionSpec(
                3,
                1,
                4,
                RopeSpec.of(10_000),
                false,
                false,
                QkNorm.NONE,
                Double.POSITIVE_INFINITY,
                Optional.of(new SlidingWindow(size, Set.of(layer))));
    }

    /** 3 heads of width 4 + 2, latents of 5. */
    private static AttentionSpec latent(int queryRank, int valueWidth) {
        return new LatentAttentionSpec(3, queryRank, 5, 4, 2, valueWidth, 10_000);
    }

    @Test
    void latentAttentionWithTheFusedKernel() {
        double dense = NORM + 4 * 4 * 10;
        DenseSpec narrow = DenseSpec.swiglu(8, 10);
        // Latents and rotary keys; the latents' norm; queries, keys, keys and values together, outputs, and a number
        // per head.
        double attention = NORM + 4 * 7 + (20 + 4 + 20) + 4 * (18 + 18 + 30 + 18) + 4 * 3;

        assertBytes(float32(latent(0, 6), narrow), STREAM + attention + dense, 0, TOKENS * (8 * 66 + 96.0));
        // Latents of queries and their norm.
        assertBytes(
                float32(latent(7, 6), narrow),
                STREAM + attention + 28 + (28 + 4 + 28) + dense,
                0,
                TOKENS * (8 * 66 + 96.0));

        double castAttention = CAST_NORM + 16 + 16 + 4 * 7 + (20 + 4) + 10 + 2 * 4 * 18 + 4 * 3;
        double weights = 2 * 8 * 18 + 2 * 8 * 7 + 2 * 5 * 30 + 2 * 18 * 8;
        double denseWeights = 2 * 8 * 20 + 2 * 10 * 8;
        assertBytes(
                bfloat16(latent(0, 6), narrow),
                STREAM + castAttention + CAST_NORM + 16 + 2 * 4 * 10,
                weights + denseWeights,
                TOKENS * (6 * 54 + 96.0));
    }

    @Test
    void latentAttentionWithValuesOfAnotherWidthKeepsScores() {
        double dense = NORM + 4 * 4 * 10;
        DenseSpec narrow = DenseSpec.swiglu(8, 10);
        double scores = 4 * 3 * 3;
        double attention = NORM + 4 * 7 + 44 + scores + 4 * (2 * 18 + 33) + 4 * 21;
        double temporary = TOKENS * (scores + 8 * (18 + 21));

        assertBytes(float32(latent(0, 7), narrow), STREAM + attention + dense, 0, temporary);

        double castAttention =
                CAST_NORM + 16 + 16 + 4 * 7 + 24 + 10 + scores + 4 * (2 * 18 + 33) + 2 * 21 + 2 * (2 * 18 + 21);
        double weights = 2 * 8 * 18 + 2 * 8 * 7 + 2 * 5 * 33 + 2 * 21 * 8 + 2 * 8 * 20 + 2 * 10 * 8;
        assertBytes(
                bfloat16(latent(0, 7), narrow),
                STREAM + castAttention + CAST_NORM + 16 + 2 * 4 * 10,
                weights,
                temporary);
    }

    @Test
    void copiedProductsOfLatentAttention() {
        DenseSpec narrow = DenseSpec.swiglu(8, 10);
        double dense = 4 * (8 + 20) + 4 * (10 + 8);
        double others = 4 * (8 + 7) + 4 * (5 + 30) + 4 * (18 + 8);

        assertThat(float32(latent(0, 6), narrow, StepTrait.COPIED_PRODUCTS).held()
                        - float32(latent(0, 6), narrow).held())
                .isEqualTo(TOKENS * (dense + others + 4 * (8 + 18)));
        assertThat(float32(latent(7, 6), narrow, StepTrait.COPIED_PRODUCTS).held()
                        - float32(latent(7, 6), narrow).held())
                .isEqualTo(TOKENS * (dense + others + 4 * (8 + 7) + 4 * (7 + 18)));
    }

    private static MoeSpec.Builder experts(int number) {
        return MoeSpec.builder()
                .setHiddenSize(8)
                .setIntermediateSize(10)
                .setNumExperts(number)
                .setTopK(2);
    }

    private static LatentSpec latent(int groupSize) {
        return LatentSpec.builder()
                .setLatentSize(5)
                .setGroupSize(groupSize)
                .optTiedGateUp(false)
                .build();
    }

    /** The norm and its output for router and experts, the layer's output; logits, scores, order; gate and up of two experts. */
    private static final double MOE_HELD = STREAM + SMALL_HELD + (32 + 4 + 2 * 32) + (8 * 16 + 2 * 32) + 2 * 4 * 20;

    /** Gradients of x and y; of one expert 3 rows, twice the average, and the gradient of a matrix. */
    private static final double MOE_TEMPORARY = TOKENS * 4 * 32 + 3 * 4 * (3 * 8 + 7 * 10) + 4 * 10 * 8;

    @Test
    void aMoeLayer() {
        assertBytes(float32(SMALL, experts(8).build()), MOE_HELD, 0, MOE_TEMPORARY);
        assertBytes(float32(SMALL, experts(8).optGated(false).build()), MOE_HELD - 2 * 4 * 10, 0, MOE_TEMPORARY);
        RouterSpec sigmoid =
                RouterSpec.builder().optScoreFunction(ScoreFunction.SIGMOID).build();
        assertBytes(float32(SMALL, experts(8).optRouter(sigmoid).build()), MOE_HELD + 8 * 8, 0, MOE_TEMPORARY);
        // Both experts may get every token, and no more.
        assertThat(float32(SMALL, experts(2).build()).temporary())
                .isEqualTo(TOKENS * 4 * 32 + 6 * 4 * (3 * 8 + 7 * 10) + 4 * 10 * 8);

        double attention = CAST_NORM + 3 * 16 + 2 * 4 * 2 + 4;
        assertBytes(
                bfloat16(SMALL, experts(8).build()),
                STREAM + attention + (32 + 4 + 2 * 32) + (8 * 16 + 2 * 32) + 2 * 2 * 20,
                2 * 8 * 6 + 2 * 2 * 8,
                TOKENS * (4 * 32 + 2 * 16) + 3 * 2 * (3 * 8 + 7 * 10) + 4 * 10 * 8);
    }

    @Test
    void aMolaeLayerKeepsLatentsOfDistinctGroups() {
        // Latents of gate and of up, and sums of down in float32.
        assertBytes(
                float32(SMALL, experts(8).optLatent(latent(8)).build()),
                MOE_HELD + 4 * (5 + 5) + 4 * 5,
                0,
                MOE_TEMPORARY + TOKENS * 15 * 8);
        // The second of two experts is in the other of two groups with probability 4/7; then rows are gathered by group
        // too.
        double groups = 1 + 4 / 7.0;
        assertBytes(
                float32(SMALL, experts(8).optLatent(latent(4)).build()),
                MOE_HELD + groups * 60,
                0,
                MOE_TEMPORARY + TOKENS * groups * (15 * 8 + 2 * 32));
    }

    @Test
    void sharedExperts() {
        MoeSpec shared =
                experts(8).optSharedExpert(new SharedExpertSpec(6, false)).build();
        assertBytes(float32(SMALL, shared), MOE_HELD + 32 + 4 * 4 * 6, 0, MOE_TEMPORARY + TOKENS * 4 * 5 * 6.0);
        MoeSpec gated =
                experts(8).optSharedExpert(new SharedExpertSpec(6, true)).build();
        assertBytes(float32(SMALL, gated), MOE_HELD + 2 * 32 + 4 * 4 * 6, 0, MOE_TEMPORARY + TOKENS * 4 * 5 * 6.0);
    }

    @Test
    void expertsWithAdaptersAreRecorded() {
        MoeSpec standard = experts(8).build();
        double rows = 2 * 4 * (8 + 3 * 10);
        double gradients = TOKENS * 2 * 4 * (8 + 2 * 20.0);

        assertBytes(
                float32(SMALL, standard, StepTrait.EXPERTS_BY_AUTOGRAD), MOE_HELD + rows, 0, MOE_TEMPORARY + gradients);

        double copies = 3 * 4 * (8 + 2) + 4 * (2 + 8) + 4 * 2 * (8 + 20 + 10 + 8);
        assertBytes(
                float32(SMALL, standard, StepTrait.EXPERTS_BY_AUTOGRAD, StepTrait.COPIED_PRODUCTS),
                MOE_HELD + rows + copies,
                0,
                MOE_TEMPORARY + gradients);

        MoeSpec molae = experts(8).optLatent(latent(8)).build();
        double latentCopies = 3 * 4 * (8 + 2) + 4 * (2 + 8) + 4 * (2 * (5 + 20 + 10 + 5) + (8 + 10));
        assertBytes(
                float32(SMALL, molae, StepTrait.EXPERTS_BY_AUTOGRAD, StepTrait.COPIED_PRODUCTS),
                MOE_HELD + 60 + 2 * 4 * (5 + 3 * 10) + latentCopies,
                0,
                MOE_TEMPORARY + TOKENS * (15 * 8 + 2 * 4 * (5 + 2 * 20)));

        TapeLayer.Bytes cast = bfloat16(SMALL, standard, StepTrait.EXPERTS_BY_AUTOGRAD);
        TapeLayer.Bytes without = bfloat16(SMALL, standard);
        assertThat(cast.held() - without.held()).isEqualTo(TOKENS * (2 * 2 * (8 + 3 * 10) + 2 * 8) + 2 * 8 * 3 * 80.0);
        assertThat(cast.temporary() - without.temporary()).isEqualTo(TOKENS * 2 * 2 * (8 + 2 * 20.0));
    }
}
