package ai.molae.cli.quickstart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.cost.CostModel;
import ai.molae.djl.data.TextCorpus;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import java.io.IOException;
import org.junit.jupiter.api.Test;

class QuickstartPartsTest {

    @Test
    void theSampleTextIsSeveralMegabytesOfJava() throws IOException {
        TextCorpus corpus = SampleText.read();

        assertThat(corpus.documents().stream().mapToLong(String::length).sum()).isGreaterThan(8_000_000);
        assertThat(corpus.documents()).anyMatch(d -> d.contains("public class StringUtils"));
        assertThat(corpus.skipped()).isZero();
    }

    /** Train frequencies 4/10 and 2/10 after adding one to each of four counts; one of the text's two tokens is each. */
    @Test
    void unigramEntropyIsTheCrossEntropyUnderTheTrainingFrequencies() {
        double nats = UnigramEntropy.nats(new int[] {0, 0, 0, 1, 2, 3}, new int[] {0, 3}, 4);

        assertThat(nats).isCloseTo(-(Math.log(0.4) + Math.log(0.2)) / 2, within(1e-15));
    }

    @Test
    void theMedianIsTheMiddleOrTheMeanOfTheMiddleTwo() {
        assertThat(ModelRun.median(new double[] {9, 1, 2})).isEqualTo(2);
        assertThat(ModelRun.median(new double[] {9, 1, 2, 4})).isEqualTo(3);
        assertThat(ModelRun.median(new double[0])).isNaN();
    }

    /** 12 layers of 32 experts of 512 × 256 with groups of 8 are the paper's 150,994,944 and 94,371,840; here are half the layers. */
    @Test
    void thePaperPresetHasThePapersExperts() {
        ModelSpec moe = QuickstartPreset.PAPER.moeModel(256, 1024);
        ModelSpec molae = moe.mapMoe(layer -> layer.withLatent(
                LatentSpec.builder().setLatentSize(256).setGroupSize(8).build()));

        assertThat(routed(moe)).isEqualTo(150_994_944 / 2);
        assertThat(routed(molae)).isEqualTo(94_371_840 / 2);
    }

    private static long routed(ModelSpec spec) {
        return CostModel.model(spec).moeLayers().stream()
                .mapToLong(layer -> layer.routedExpertParameters())
                .sum();
    }
}
