package ai.molae.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import java.util.function.UnaryOperator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class ModelSpecTest {

    private static final AttentionSpec ATTENTION = GroupedQueryAttentionSpec.of(4, 2, 8);
    private static final DenseSpec DENSE = DenseSpec.swiglu(16, 32);
    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(16)
            .setIntermediateSize(8)
            .setNumExperts(4)
            .setTopK(2)
            .build();

    private static ModelSpec.Builder small() {
        return ModelSpec.builder()
                .setVocabSize(100)
                .setAttention(ATTENTION)
                .addLayers(1, DENSE)
                .addLayers(2, MOE);
    }

    @Test
    void builderTakesTheHiddenSizeFromTheLayersAndHasDefaults() {
        assertThat(small().build())
                .isEqualTo(new ModelSpec(100, 16, ATTENTION, List.of(DENSE, MOE, MOE), 2048, 1e-6, false, 0.02));
        assertThat(small().build().numLayers()).isEqualTo(3);
    }

    @Test
    void builderSetsEveryField() {
        assertThat(small().optMaxPositionEmbeddings(64)
                        .optRmsNormEps(1e-5)
                        .optTieWordEmbeddings(true)
                        .optInitializerRange(0.01)
                        .build())
                .isEqualTo(new ModelSpec(100, 16, ATTENTION, List.of(DENSE, MOE, MOE), 64, 1e-5, true, 0.01));
    }

    @Test
    void mapMoeReplacesTheMoeLayersOnly() {
        MoeSpec molae = MOE.withLatent(
                LatentSpec.builder().setLatentSize(4).setGroupSize(4).build());
        assertThat(small().build().mapMoe(moe -> molae).feedForwards()).containsExactly(DENSE, molae, molae);
    }

    @Test
    void rejectsEveryFieldThatIsOutOfRangeWithItsValue() {
        rejects(b -> b.setVocabSize(0), "vocabSize must be positive, got 0");
        rejects(b -> b.optMaxPositionEmbeddings(0), "maxPositionEmbeddings must be positive, got 0");
        rejects(b -> b.optRmsNormEps(0), "rmsNormEps must be finite and positive, got 0.0");
        rejects(b -> b.optInitializerRange(-1), "initializerRange must be finite and positive, got -1.0");
        rejects(b -> b.addLayers(0, DENSE), "number of layers to add must be positive, got 0");
        rejects(b -> b.addLayers(1, DenseSpec.swiglu(17, 1)), "layer 3 has hiddenSize 17, the model has 16");
        rejects(
                () -> ModelSpec.builder().setVocabSize(1).addLayers(1, DENSE).build(),
                "a model needs an attention; use setAttention");
        rejects(
                () -> ModelSpec.builder()
                        .setVocabSize(1)
                        .setAttention(ATTENTION)
                        .build(),
                "a model needs at least one layer, got none; use addLayers");
    }

    @Test
    void denseLayersAreChecked() {
        assertThat(DENSE).isEqualTo(new DenseSpec(16, 32, Activation.SILU, true));
        rejects(() -> DenseSpec.swiglu(0, 1), "hiddenSize must be positive, got 0");
        rejects(() -> DenseSpec.swiglu(1, 0), "intermediateSize must be positive, got 0");
    }

    @Test
    void groupedQueryAttentionIsChecked() {
        assertThat(ATTENTION).isEqualTo(new GroupedQueryAttentionSpec(4, 2, 8, 10_000, false, QkNorm.NONE));
        rejects(() -> GroupedQueryAttentionSpec.of(0, 1, 8), "numAttentionHeads must be positive, got 0");
        rejects(
                () -> GroupedQueryAttentionSpec.of(4, 3, 8),
                "numKeyValueHeads must divide numAttentionHeads = 4, got 3");
        rejects(
                () -> GroupedQueryAttentionSpec.of(4, 0, 8),
                "numKeyValueHeads must divide numAttentionHeads = 4, got 0");
        rejects(() -> GroupedQueryAttentionSpec.of(4, 2, 7), "headDim must be even and positive, got 7");
        rejects(
                () -> new GroupedQueryAttentionSpec(4, 2, 8, 0, false, QkNorm.NONE),
                "ropeTheta must be finite and positive, got 0.0");
    }

    @Test
    void latentAttentionIsChecked() {
        assertThat(latentAttention(4, 0, 5, 6, 8, 7, 1e4).numAttentionHeads()).isEqualTo(4);
        rejects(() -> latentAttention(0, 0, 5, 6, 8, 7, 1e4), "numAttentionHeads must be positive, got 0");
        rejects(
                () -> latentAttention(4, -1, 5, 6, 8, 7, 1e4),
                "qLoraRank must be at least 0 (0: full projection), got -1");
        rejects(() -> latentAttention(4, 0, 0, 6, 8, 7, 1e4), "kvLoraRank must be positive, got 0");
        rejects(() -> latentAttention(4, 0, 5, 0, 8, 7, 1e4), "qkNopeHeadDim must be positive, got 0");
        rejects(() -> latentAttention(4, 0, 5, 6, 9, 7, 1e4), "qkRopeHeadDim must be even and positive, got 9");
        rejects(() -> latentAttention(4, 0, 5, 6, 8, 0, 1e4), "vHeadDim must be positive, got 0");
        rejects(() -> latentAttention(4, 0, 5, 6, 8, 7, 0), "ropeTheta must be finite and positive, got 0.0");
    }

    private static LatentAttentionSpec latentAttention(
            int heads, int qLora, int kvLora, int nope, int rope, int v, double theta) {
        return new LatentAttentionSpec(heads, qLora, kvLora, nope, rope, v, theta);
    }

    private static void rejects(UnaryOperator<ModelSpec.Builder> change, String message) {
        rejects(() -> change.apply(small()).build(), message);
    }

    private static void rejects(ThrowingCallable code, String message) {
        assertThatIllegalArgumentException().isThrownBy(code).withMessage(message);
    }

    @Test
    void moreLayersThanAnyModelHasAreRefusedBeforeThereIsAListOfThem() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ModelSpec.builder().addLayers(Integer.MAX_VALUE, DenseSpec.swiglu(8, 8)))
                .withMessage("a model has at most 10000 layers, got 2147483647");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ModelSpec.builder()
                        .addLayers(9_999, DenseSpec.swiglu(8, 8))
                        .addLayers(2, DenseSpec.swiglu(8, 8)))
                .withMessage("a model has at most 10000 layers, got 10001");
    }
}
