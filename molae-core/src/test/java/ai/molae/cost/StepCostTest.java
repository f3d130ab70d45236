package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import java.util.Set;
import org.junit.jupiter.api.Test;

class StepCostTest {

    private static ModelCost model(int vocabSize, int layers) {
        return CostModel.model(ModelSpec.builder()
                .setVocabSize(vocabSize)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 4))
                .addLayers(layers, DenseSpec.swiglu(8, 16))
                .optMaxPositionEmbeddings(64)
                .build());
    }

    private static StepSettings settings(int recompute, StepTrait... traits) {
        return new StepSettings(ElementType.FLOAT32, 4, 32, recompute, 8, 1000, Set.of(traits));
    }

    @Test
    void theLossHoldsFourCopiesOfTheLogitsAndOneMoreWhereProductsAreCopies() {
        double logits = 4.0 * 128 * 5000;

        assertThat(model(5000, 1).stepBytes(settings(0)).logits()).isEqualTo(4 * logits);
        assertThat(model(5000, 1)
                        .stepBytes(settings(0, StepTrait.COPIED_PRODUCTS))
                        .logits())
                .isEqualTo(5 * logits);
    }

    @Test
    void segmentsHoldTheirInputsAndOneOfThemEverything() {
        // Layers are alike, so that each more segment of 2 adds [T, n] = 128 · 8 · 4 bytes.
        double six = model(4, 6).stepBytes(settings(2)).activations();
        double eight = model(4, 8).stepBytes(settings(2)).activations();

        assertThat(eight - six).isEqualTo(4096);
        assertThat(model(4, 8).stepBytes(settings(4)).activations()).isGreaterThan(eight);
        assertThat(model(4, 8).stepBytes(settings(0)).activations()).isGreaterThan(2 * eight);
    }

    @Test
    void countsStateAndGradientsOfWhatTrainsOnly() {
        StepBytes bytes = model(4, 1).stepBytes(settings(0));

        assertThat(bytes.gradients()).isEqualTo(4000);
        assertThat(bytes.optimizer()).isEqualTo(8000);
        assertThat(bytes.weights()).isEqualTo(4.0 * model(4, 1).parameters());
        assertThat(bytes.total())
                .isEqualTo(bytes.weights() + 12000 + bytes.activations() + bytes.logits() + bytes.temporary());
    }

    @Test
    void paddingCostsAMaskOfEverySequenceInEveryLayer() {
        double plain = model(4, 2).stepBytes(settings(0)).activations();
        double padded = model(4, 2).stepBytes(settings(0, StepTrait.PADDED)).activations();

        assertThat(padded - plain).isEqualTo(2 * 4 * 4 * 32 * 32);
    }

    /** One layer of which {@link TapeLayerTest} counts 1044 bytes a token, in bfloat16 628 and 2432 of weights, copied 1844. */
    private static ModelCost counted(int vocabSize, int layers) {
        return CostModel.model(ModelSpec.builder()
                .setVocabSize(vocabSize)
                .setAttention(GroupedQueryAttentionSpec.of(3, 1, 4))
                .addLayers(layers, DenseSpec.swiglu(8, 40))
                .optMaxPositionEmbeddings(64)
                .build());
    }

    private static StepBytes step(
            ModelCost model, ElementType products, long batch, long sequence, StepTrait... traits) {
        return model.stepBytes(new StepSettings(products, batch, sequence, 0, 8, 0, Set.of(traits)));
    }

    private static void assertHeld(StepBytes bytes, double activations, double logits, double temporary) {
        assertThat(bytes.activations()).isEqualTo(activations);
        assertThat(bytes.logits()).isEqualTo(logits);
        assertThat(bytes.temporary()).isEqualTo(temporary);
    }

    @Test
    void aLayersBackwardPassHoldsMostWhereTheVocabularyIsSmall() {
        // 6 tokens: 864 bytes each in the backward pass; logits 6 x 5.
        assertHeld(step(counted(5, 1), ElementType.FLOAT32, 2, 3), 6 * 1044, 4 * 6 * 5, 6 * 864);
        // Recomputed one by one: the inputs of both, the input of one again, and what it keeps.
        StepBytes recomputed = counted(5, 2).stepBytes(new StepSettings(ElementType.FLOAT32, 2, 3, 1, 8, 0, Set.of()));
        assertHeld(recomputed, 2 * 192 + 192 + 6 * 1044, 4 * 6 * 5, 6 * 864);
    }

    @Test
    void theHeadsBackwardPassHoldsMostWhereThereAreFewTokens() {
        // 2 tokens, logits 2 x 500, head 500 x 8; before it the layer's output, what the norm makes of it and what the
        // head reads.
        assertHeld(step(counted(500, 1), ElementType.FLOAT32, 1, 2), 2 * 1044 + 3 * 64, 2 * 4 * 1000, 4 * 4000 + 64);
        assertHeld(
                step(counted(500, 1), ElementType.BFLOAT16, 1, 2),
                2 * 628 + 2432 + 2.5 * 64,
                2.5 * 4 * 1000,
                6 * 4000 + 64);
        assertHeld(
                step(counted(500, 1), ElementType.FLOAT32, 1, 2, StepTrait.COPIED_PRODUCTS),
                2 * 1844 + 4 * 64,
                3 * 4 * 1000,
                8 * 4000 + 64);
    }

    @Test
    void theLossHoldsMostWhereThereAreManyTokensAndWords() {
        // 6 tokens; the head is cast, and so is its gradient.
        assertHeld(
                step(counted(500, 1), ElementType.BFLOAT16, 2, 3),
                6 * 628 + 2432 + 2.5 * 192 + 2 * 4000,
                4 * 4 * 3000,
                0);
        assertThat(model(5000, 1).stepBytes(settings(0, StepTrait.TEACHER)).logits())
                .isEqualTo(3 * 4.0 * 128 * 5000);
    }

    @Test
    void refusesFormatsThatLayersDoNotTrainIn() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> settings(0).withProducts(ElementType.INT8))
                .withMessageContaining("INT8");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> settings(-1))
                .withMessageContaining("layersPerSegment")
                .withMessageContaining("-1");
    }
}
