package ai.molae.spec;

import static ai.molae.spec.ExpertOperator.DOWN;
import static ai.molae.spec.ExpertOperator.GATE;
import static ai.molae.spec.ExpertOperator.UP;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LatentSpecTest {

    @Test
    void oneLatentSizeFactorsAllThreeOperatorsUntied() {
        LatentSpec latent =
                LatentSpec.builder().setLatentSize(5).setGroupSize(8).build();
        assertThat(latent).isEqualTo(new LatentSpec(Map.of(GATE, 5, UP, 5, DOWN, 5), false, 8, Optional.empty()));
    }

    @Test
    void factoredOperatorsCanBeChosen() {
        LatentSpec latent = LatentSpec.builder()
                .setLatentSize(5)
                .setGroupSize(8)
                .optFactored(GATE, UP)
                .build();
        assertThat(latent.latentSizes()).containsOnly(Map.entry(GATE, 5), Map.entry(UP, 5));
        assertThat(latent.isFactored(DOWN)).isFalse();
        assertThat(latent.latentSize(UP)).isEqualTo(5);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> latent.latentSize(DOWN))
                .withMessage("DOWN is not factored; factored are [GATE, UP]");
    }

    @Test
    void latentSizesCanDifferByOperator() {
        assertThat(LatentSpec.builder()
                        .setLatentSize(5)
                        .setGroupSize(8)
                        .optLatentSize(DOWN, 7)
                        .build()
                        .latentSizes())
                .containsExactly(Map.entry(GATE, 5), Map.entry(UP, 5), Map.entry(DOWN, 7));
        assertThat(LatentSpec.builder()
                        .setGroupSize(8)
                        .optLatentSize(DOWN, 7)
                        .build()
                        .latentSizes())
                .containsExactly(Map.entry(DOWN, 7));
    }

    @Test
    void anOperatorThatWasAskedToBeFactoredIsNotForgotten() {
        LatentSpec.Builder builder =
                LatentSpec.builder().setGroupSize(8).optFactored(UP).optLatentSize(DOWN, 7);
        assertThatIllegalArgumentException()
                .isThrownBy(builder::build)
                .withMessage("latentSize of UP must be positive, got 0");
        assertThat(builder.optLatentSize(UP, 3).build().latentSizes())
                .containsExactly(Map.entry(UP, 3), Map.entry(DOWN, 7));
    }

    @Test
    void anExplicitPartitionReplacesTheGroupSize() {
        ExpertGroups groups = new ExpertGroups(List.of(0, 1, 0));
        LatentSpec latent =
                LatentSpec.builder().setLatentSize(5).setGroups(groups).build();
        assertThat(latent.groups()).contains(groups);
    }

    @Test
    void tiedGateAndUpNeedOneLatentSize() {
        assertThat(LatentSpec.builder()
                        .setLatentSize(5)
                        .setGroupSize(8)
                        .optTiedGateUp(true)
                        .build()
                        .tiedGateUp())
                .isTrue();
        rejects(
                Map.of(GATE, 5, UP, 6),
                true,
                8,
                "tied gate and up need both factored to the same latent size, got latent sizes {GATE=5, UP=6}");
        rejects(
                Map.of(UP, 6),
                true,
                8,
                "tied gate and up need both factored to the same latent size, got latent sizes {UP=6}");
    }

    @Test
    void rejectsEveryFieldThatIsOutOfRangeWithItsValue() {
        rejects(Map.of(), false, 8, "a LatentSpec must factor at least one of GATE, UP, DOWN; without any, omit it");
        rejects(Map.of(UP, 0), false, 8, "latentSize of UP must be positive, got 0");
        rejects(Map.of(UP, 1), false, 0, "groupSize must be positive, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LatentSpec.builder().setGroupSize(8).build())
                .withMessage("latentSize of GATE must be positive, got 0");
    }

    private static void rejects(Map<ExpertOperator, Integer> sizes, boolean tied, int groupSize, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new LatentSpec(sizes, tied, groupSize, Optional.empty()))
                .withMessage(message);
    }
}
