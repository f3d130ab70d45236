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
