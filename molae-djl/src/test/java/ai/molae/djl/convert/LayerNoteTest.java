package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class LayerNoteTest {

    private static final MoeSpec MOE = SmallMoe.MOE;

    private static void assertComesBack(LayerConversion layer) {
        assertThat(LayerNote.read(layer.layer(), layer.before(), LayerNote.write(layer)))
                .isEqualTo(layer);
    }

    @Test
    void everythingComesBack() {
        LatentSpec latent = LatentSpec.builder()
                .optLatentSize(ExpertOperator.GATE, 5)
                .optLatentSize(ExpertOperator.UP, 5)
                .optLatentSize(ExpertOperator.DOWN, 7)
                .setGroups(new ExpertGroups(List.of(0, 1, 0, 1, 1, 0, 2, 2)))
                .optTiedGateUp(true)
                .build();
        assertComesBack(new LayerConversion(
                3,
                MOE,
                MOE.withLatent(latent),
                Map.of(
                        ExpertOperator.GATE,
                        new OperatorError(5, 1.0 / 3, OptionalDouble.of(1e-17)),
                        ExpertOperator.UP,
                        new OperatorError(5, 0, OptionalDouble.of(0.25)),
                        ExpertOperator.DOWN,
                        new OperatorError(7, 0.5, OptionalDouble.empty())),
                OptionalDouble.of(0.125),
                1234.5));
    }

    @Test
    void whatIsNotThereStaysAway() {
        LatentSpec latent = LatentSpec.builder()
                .optLatentSize(ExpertOperator.DOWN, 4)
                .setGroupSize(4)
                .build();
        assertComesBack(new LayerConversion(
                0,
                MOE,
                MOE.withLatent(latent),
                Map.of(ExpertOperator.DOWN, new OperatorError(4, 0.5, OptionalDouble.empty())),
                OptionalDouble.empty(),
                0));
        assertComesBack(new LayerConversion(0, MOE, MOE, Map.of(), OptionalDouble.empty(), 0.5));
    }

    @Test
    void aDamagedNoteIsRefusedWithWhatToDo() {
        for (String note : List.of(
                "",
                "null",
                "{}",
                "{\"errors\": {\"UP\": null}, \"seconds\": 1}",
                "{\"errors\": {\"UP\": {\"relative\": 1}}, \"seconds\": 1}")) {
            assertThatThrownBy(() -> LayerNote.read(7, MOE, note))
                    .as(note)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("the note of the converted layer 7 is damaged")
                    .hasMessageContaining("remove the layer's folder");
        }
    }

    @Test
    void aDamagedPlanIsRefused() {
        for (String plan :
                List.of("", "[]", "{\"x\": null}", "{\"0\": 3}", "{\"0\": {}}", "{\"0\": null, \"0\": null}")) {
            assertThatThrownBy(() -> ConversionPlan.read(plan))
                    .as(plan)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("of the conversion is damaged");
        }
    }
}
