package ai.molae.djl.convert.report;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.chart.Page;
import ai.molae.djl.convert.OperatorSpectrum;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.djl.convert.Weighting;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.List;
import org.junit.jupiter.api.Test;

/** n = 4, m = 2, N = 4. */
class SpectrumSectionTest {

    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(4)
            .setIntermediateSize(2)
            .setNumExperts(4)
            .setTopK(2)
            .build();

    private static SpectrumReport report(MoeSpec moe, OperatorSpectrum... spectra) {
        ModelSpec model = ModelSpec.builder()
                .setVocabSize(10)
                .setAttention(GroupedQueryAttentionSpec.of(1, 1, 4))
                .addLayers(2, moe)
                .build();
        return new SpectrumReport("tiny", model, Weighting.NONE, List.of(spectra));
    }

    /** Energies 9, 4, 2, 1 of 16: 9/16 with one rank, 13/16, 15/16, 1. The random ranks are those of an 8 × 4 matrix. */
    @Test
    void theTableHasWhatTheCurvesShow() {
        SpectrumReport report =
                report(MOE, new OperatorSpectrum(1, ExpertOperator.UP, 0, 4, 2, 4, new double[] {9, 4, 2, 1}));
        RandomFloor floor = new RandomFloor(8, 4);
        int random = 1;
        while (floor.kept(random) < 0.9) {
            random++;
        }

        String html = SpectrumSection.html(report);

        assertThat(html)
                .contains("<td>1</td><td>up</td><td>4 × 2 × 4</td><td>4</td><td>3</td><td>16</td>"
                        + "<td>1</td><td>3</td><td>" + random + "</td><td>4</td><td>4</td><td>56.3 %</td><td>"
                        + Texts.percent(floor.kept(1), 1) + "</td>")
                .contains("<b>Layer 1</b>", "<b>Ranks for 90 % of the energy</b>")
                .doesNotContain("latent space");
        Markup.assertPage(Page.html("a page", html));
    }

    @Test
    void factoredStacksAreHeldAgainstTheirLatentSpace() {
        MoeSpec molae = MOE.withLatent(
                LatentSpec.builder().setLatentSize(2).setGroupSize(2).build());
        SpectrumReport report = report(
                molae,
                new OperatorSpectrum(0, ExpertOperator.UP, 0, 2, 2, 2, new double[] {3, 1}),
                new OperatorSpectrum(0, ExpertOperator.UP, 1, 2, 2, 2, new double[] {4, 0}));

        String html = SpectrumSection.html(report);

        assertThat(html)
                .contains("<td>0</td><td>up</td><td>2 of 2 × 2 × 2</td><td>2</td><td>2</td><td>8</td>")
                .contains("random matrices are those of the latent space");
        Markup.assertPage(Page.html("a page", html));
    }

    @Test
    void stacksOfZerosHaveNoCurve() {
        String html = SpectrumSection.html(
                report(MOE, new OperatorSpectrum(0, ExpertOperator.DOWN, 0, 4, 2, 4, new double[4])));

        assertThat(html).contains("<td>0</td><td>0</td>", "<td>–</td>").doesNotContain("NaN");
    }
}
