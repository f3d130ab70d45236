package ai.molae.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EasyTrainLayerTest {

    @TempDir
    private Path folder;

    @Test
    void learnsWithAllExpertsAndLoadsWhatItSaved() throws Exception {
        EasyTrainLayer.Result result = EasyTrainLayer.run(folder, 5);

        assertThat(result.validationAccuracy())
                .as("guessing is right for a third")
                .isGreaterThan(0.8f);
        // Five epochs of 1500 points, each of which chooses two experts.
        assertThat(result.load().total()).isEqualTo(5 * 1500 * 2);
        assertThat(result.load().idleExperts()).isZero();
        assertThat(result.loadedDifference()).isZero();
    }
}
