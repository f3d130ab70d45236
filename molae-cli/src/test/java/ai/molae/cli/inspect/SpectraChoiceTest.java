package ai.molae.cli.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.cli.TinyCheckpoint;
import ai.molae.djl.convert.ExpertSpectra;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class SpectraChoiceTest {

    /** A dense layer and ten MoE layers, of n = 256·scale, m = 64·scale and N = 64. */
    private static ModelSpec model(int scale) {
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(256 * scale)
                .setIntermediateSize(64 * scale)
                .setNumExperts(64)
                .setTopK(2)
                .build();
        return ModelSpec.builder()
                .setVocabSize(10)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(1, DenseSpec.swiglu(256 * scale, 64))
                .addLayers(10, moe)
                .build();
    }

    @Test
    void smallModelsAreShownWhole() {
        SpectraChoice choice = SpectraChoice.of(null, TinyCheckpoint.spec(260));

        assertThat(choice.layers()).containsExactly(1, 2);
        assertThat(choice.note()).isEmpty();
    }

    @Test
    void ofLargerOnesSomeLayersThatLieEvenlyAndFitTheLimit() {
        ModelSpec model = model(5);
        double layer = ExpertSpectra.flops((MoeSpec) model.feedForwards().get(1));
        int fit = (int) (SpectraChoice.UNASKED_FLOPS / layer);
        assertThat(fit).as("layers that fit").isBetween(2, 9);

        SpectraChoice choice = SpectraChoice.of(null, model);

        assertThat(choice.layers())
                .hasSize(fit)
                .startsWith(1)
                .endsWith(10)
                .isSorted()
                .doesNotHaveDuplicates();
        assertThat(choice.note()).contains("Of " + fit + " MoE layers, evenly spread", "--spectra all");
    }

    @Test
    void ofTheLargestNoneUnasked() {
        SpectraChoice choice = SpectraChoice.of(null, model(32));

        assertThat(choice.layers()).isEmpty();
        assertThat(choice.note()).contains("Not computed", "all 10 MoE layers take", "--spectra all");
        assertThat(SpectraChoice.of("all", model(32)).layers()).hasSize(10);
    }

    @Test
    void layersAreNamedOneByOneAndByRanges() {
        assertThat(SpectraChoice.of("9, 2-4,3", model(1)).layers()).containsExactly(2, 3, 4, 9);
        for (String wrong : new String[] {"", "x", "1-2-3", "4-2", "1,", "-1"}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> SpectraChoice.of(wrong, model(1)))
                    .withMessageContaining("--spectra must be all, none, or layers");
        }
    }

    @Test
    void aModelThatHasNoRoomIsNotLoaded() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PageOptions.checkMemory(2_000_000_000, OptionalLong.of(1_000_000_000)))
                .withMessageContaining("weights need 2.000 GB, and 1.000 GB are free");
        assertThatCode(() -> PageOptions.checkMemory(5, OptionalLong.of(5))).doesNotThrowAnyException();
        assertThatCode(() -> PageOptions.checkMemory(5, OptionalLong.empty())).doesNotThrowAnyException();
    }

    @Test
    void argumentsAreQuotedAsAShellTakesThem() {
        assertThat(ModelPage.quoted("a/b-1.html")).isEqualTo("a/b-1.html");
        assertThat(ModelPage.quoted("it's")).isEqualTo("'it'\\''s'");
        assertThat(ModelPage.quoted("")).isEqualTo("''");
    }
}
