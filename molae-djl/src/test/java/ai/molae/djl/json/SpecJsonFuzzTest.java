package ai.molae.djl.json;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.cost.CostModel;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.ModelSpec;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import ai.molae.testing.RandomSpecs;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Specs in JSON with something wrong: a spec that can be written and costed, or an {@link IllegalArgumentException}. */
class SpecJsonFuzzTest {

    @Test
    void layersAreReadOrRefused() {
        SplittableRandom random = new SplittableRandom(5);
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            texts.add(SpecJson.toJson(RandomSpecs.next(random)));
        }
        fuzz("layer json", texts, text -> assertThat(
                        CostModel.layer(SpecJson.parseMoe(text)).parameters())
                .isPositive());
    }

    @Test
    void modelsAreReadOrRefused() {
        List<String> texts = new ArrayList<>();
        for (ModelSpec model : List.of(ModelPresets.get("Mixtral-8x7B"), ModelPresets.get("DeepSeek-V3"))) {
            texts.add(SpecJson.toJson(model));
            texts.add(SpecJson.toJson(model.mapMoe(moe -> moe.withLatent(
                    LatentSpec.builder().setLatentSize(64).setGroupSize(4).build()))));
        }
        fuzz("model json", texts, text -> {
            ModelSpec spec = SpecJson.parseModel(text);
            assertThat(SpecJson.parseModel(SpecJson.toJson(spec))).isEqualTo(spec);
            assertThat(CostModel.model(spec).parameters()).isPositive();
        });
    }

    private interface Reader {
        void read(String text);
    }

    private static void fuzz(String name, List<String> texts, Reader reader) {
        Fuzz.Tally tally = Fuzz.of(name, 1000)
                .refusedBy(IllegalArgumentException.class)
                .run(
                        random -> JsonMutations.mutate(texts.get(random.nextInt(texts.size())), random)
                                .getBytes(StandardCharsets.UTF_8),
                        bytes -> reader.read(new String(bytes, StandardCharsets.UTF_8)));
        assertThat(Fuzz.isLong() || tally.worked() > 20).as("%s", tally).isTrue();
    }
}
