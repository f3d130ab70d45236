package ai.molae.bench.workload;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.molae.cost.CostModel;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ModelCaseTest {

    @ParameterizedTest
    @EnumSource(Shape.class)
    void fitsItsScaleWithMostOfItInTheExperts(Shape shape) {
        for (Scale scale : Scale.values()) {
            ModelSpec spec = new ModelCase(shape, scale, Variant.MOE).spec();
            var cost = CostModel.model(spec);
            assertThat(spec.numLayers()).isEqualTo(3);
            assertThat(cost.parameters()).as("%s", scale).isLessThanOrEqualTo(scale.mostParameters());
            if (scale != Scale.TINY) {
                assertThat(cost.routedExpertShare()).as("%s %s", scale, spec).isGreaterThan(0.5);
            }
        }
    }

    @Test
    void keepsTheKindOfAttentionWithFewerHeads() {
        ModelSpec qwen = new ModelCase(Shape.QWEN3_30B_A3B, Scale.SMALL, Variant.MOE).spec();
        assertThat(qwen.hiddenSize()).isEqualTo(1024);
        // Published: hidden size 2048, 32 and 4 heads of 128, norm on each.
        assertThat(qwen.attention()).isEqualTo(new GroupedQueryAttentionSpec(16, 2, 128, 1e6, false, QkNorm.PER_HEAD));
        assertThat(qwen.vocabSize()).isEqualTo(8192);
        ModelSpec deepSeek = new ModelCase(Shape.DEEPSEEK_V3, Scale.SMALL, Variant.MOE).spec();
        assertThat(deepSeek.attention()).isInstanceOfSatisfying(LatentAttentionSpec.class, attention -> {
            assertThat(attention.numAttentionHeads() * 7168).isEqualTo(128 * deepSeek.hiddenSize());
            assertThat(attention.kvLoraRank() * 7168).isEqualTo(512 * deepSeek.hiddenSize());
            assertThat(attention.vHeadDim()).isEqualTo(128);
        });
    }

    @Test
    void aVariantChangesTheLayersOnly() {
        ModelSpec standard = new ModelCase(Shape.OLMOE_1B_7B, Scale.TINY, Variant.MOE).spec();
        ModelSpec molae = new ModelCase(Shape.OLMOE_1B_7B, Scale.TINY, Variant.MOLAE).spec();
        assertThat(molae.feedForwards())
                .allMatch(layer -> ((MoeSpec) layer).latent().isPresent());
        assertThat(molae.mapLayers((i, layer) -> standard.feedForwards().get(i)))
                .isEqualTo(standard);
    }

    @Test
    void weightsAndTokensFollowFromTheCase() {
        ModelCase tiny = new ModelCase(Shape.AWKWARD, Scale.TINY, Variant.MOE);
        try (NDManager manager = NDManager.newBaseManager()) {
            assertThat(firstWeights(tiny.build(manager, Precision.FLOAT32)))
                    .isEqualTo(firstWeights(tiny.build(manager, Precision.FLOAT32)));
        }
        assertThat(tiny.tokens(1, 50)).isEqualTo(tiny.tokens(1, 50)).isNotEqualTo(tiny.tokens(2, 50));
        assertThat(Arrays.stream(tiny.tokens(1, 5000)).boxed())
                .allMatch(id -> id >= 0 && id < tiny.spec().vocabSize());
    }

    private static float[] firstWeights(CausalLm model) {
        return model.parametersByPath().get("embed_tokens").getArray().toFloatArray();
    }
}
