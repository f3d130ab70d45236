package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.SharedExpertSpec;
import java.util.List;
import org.junit.jupiter.api.Test;

class LayerScalingTest {

    private static MoeSpec layer(int hiddenSize, int intermediateSize, int experts) {
        return MoeSpec.builder()
                .setHiddenSize(hiddenSize)
                .setIntermediateSize(intermediateSize)
                .setNumExperts(experts)
                .setTopK(2)
                .build();
    }

    private static LatentSpec latent(int size, int groupSize) {
        return LatentSpec.builder().setLatentSize(size).setGroupSize(groupSize).build();
    }

    private static long parameters(MoeSpec spec) {
        return CostModel.layer(spec).parameters();
    }

    @Test
    void aLayerThatFitsStaysAsItIs() {
        MoeSpec layer = layer(64, 32, 32);
        assertThat(LayerScaling.fit(layer, parameters(layer))).isEqualTo(layer);
    }

    @Test
    void losesExpertsFirstButKeepsFourForEachThatIsChosen() {
        MoeSpec layer = layer(64, 32, 32);
        assertThat(LayerScaling.fit(layer, parameters(layer) - 1)).isEqualTo(layer(64, 32, 16));
        assertThat(LayerScaling.fit(layer, parameters(layer(64, 32, 8)))).isEqualTo(layer(64, 32, 8));
        assertThat(LayerScaling.fit(layer, parameters(layer(64, 32, 8)) - 1)).isEqualTo(layer(32, 16, 8));
        // An odd number cannot be halved.
        assertThat(LayerScaling.fit(layer(64, 32, 33), parameters(layer(64, 32, 33)) - 1))
                .isEqualTo(layer(32, 16, 33));
    }

    @Test
    void groupsShrinkWithTheExpertsAndLatentsWithTheWidth() {
        MoeSpec molae = layer(64, 32, 16).withLatent(latent(24, 8));
        assertThat(LayerScaling.fit(molae, parameters(molae) - 1))
                .isEqualTo(layer(64, 32, 8).withLatent(latent(24, 4)));
        MoeSpec few = layer(64, 32, 8).withLatent(latent(24, 4));
        assertThat(LayerScaling.fit(few, parameters(few) - 1))
                .isEqualTo(layer(32, 16, 8).withLatent(latent(12, 4)));
    }

    @Test
    void whichOperatorsAreFactoredAndTheSharedExpertStay() {
        MoeSpec spec = layer(64, 32, 8).toBuilder()
                .optSharedExpert(new SharedExpertSpec(16, true))
                .optLatent(LatentSpec.builder()
                        .setLatentSize(24)
                        .setGroupSize(8)
                        .optFactored(ExpertOperator.DOWN)
                        .build())
                .build();
        MoeSpec half = LayerScaling.fit(spec, parameters(spec) - 1);
        assertThat(half.sharedExpert()).contains(new SharedExpertSpec(8, true));
        assertThat(half.operators().stream().filter(half::isFactored)).containsExactly(ExpertOperator.DOWN);
        assertThat(half.expertWidth(ExpertOperator.DOWN)).isEqualTo(12);
    }

    @Test
    void aLayerAndItsMolaeShrinkTogether() {
        MoeSpec moe = layer(64, 32, 16);
        MoeSpec molae = moe.withLatent(latent(24, 16));
        assertThat(LayerScaling.fit(List.of(molae, moe), parameters(moe) - 1))
                .containsExactly(layer(64, 32, 8).withLatent(latent(24, 8)), layer(64, 32, 8));
    }

    @Test
    void refusesWhatCannotBeScaled() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LayerScaling.fit(layer(64, 32, 8), 10))
                .withMessageContaining("no layer of this kind has at most 10 parameters");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LayerScaling.fit(List.of(layer(64, 32, 8), layer(64, 16, 8)), 10))
                .withMessageContaining("differ in their latent parts only");
        MoeSpec listed = layer(64, 32, 16)
                .withLatent(LatentSpec.builder()
                        .setLatentSize(24)
                        .setGroups(ExpertGroups.contiguous(16, 8))
                        .build());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LayerScaling.fit(listed, 10))
                .withMessageContaining("give a group size");
    }
}
