package ai.molae.examples;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.cost.CostModel;
import ai.molae.djl.convert.report.ConversionFiles;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.train.LmTrainingListener;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConvertAndHealTest {

    @TempDir
    private Path folder;

    @Test
    void theSmallerModelIsCloseAndHealingBringsItCloser() throws IOException {
        CustomLlm.Result moe = CustomLlm.run(
                CustomLlm.spec(false, 32), folder.resolve("moe"), Optional.empty(), 24, new LmTrainingListener() {});
        Path text = folder.resolve("moe/texts/stories0.txt");
        Path target = folder.resolve("molae");

        ConvertAndHeal.Result result = ConvertAndHeal.run(moe.model(), text, target, 20);

        assertThat(result.original()).isLessThan(4.5);
        assertThat(result.converted()).isBetween(result.original() - 0.05, result.original() + 0.05);
        assertThat(result.healed()).isLessThan(result.converted() - 0.002);
        try (Checkpoint before = Checkpoint.open(moe.model());
                Checkpoint after = Checkpoint.open(target)) {
            double ratio =
                    (double) CostModel.model(after.spec()).moeLayers().get(0).routedExpertParameters()
                            / CostModel.model(before.spec()).moeLayers().get(0).routedExpertParameters();
            assertThat(ratio).isBetween(0.3, 0.9); // 0.6 over all layers
        }
        assertThat(ConversionFiles.read(target).losses())
                .containsEntry("original", result.original())
                .containsEntry("healed", result.healed());
    }
}
