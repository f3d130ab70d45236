package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LatentWarmStartTest {

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        manager.close();
    }

    private CausalLm moe() throws IOException {
        SmallMoe.save(folder.resolve("moe"), 1);
        try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("moe"))) {
            return checkpoint.load(manager, Precision.FLOAT32);
        }
    }

    private static LatentSpec latent(int r) {
        return LatentSpec.builder().setLatentSize(r).setGroupSize(4).build();
    }

    @Test
    void atFullRankItIsTheSameModel() throws IOException {
        CausalLm moe = moe();

        CausalLm molae = LatentWarmStart.of(moe, latent(16), manager, Precision.FLOAT32);

        assertThat(Logits.largestDifference(Logits.of(moe, SmallMoe.TOKENS), Logits.of(molae, SmallMoe.TOKENS)))
                .isLessThan(1e-4);
    }

    @Test
    void productsAreAsCloseAsAConversionsInTheFrobeniusNorm() throws IOException {
        CausalLm moe = moe();
        ConversionReport report = SmallMoe.converter(
                        folder.resolve("moe"),
                        folder.resolve("molae"),
                        SmallMoe.method(SmallMoe.rank(6), 4).build())
                .build()
                .convert();

        CausalLm molae = LatentWarmStart.of(moe, latent(6), manager, Precision.FLOAT32);

        for (LayerConversion layer : report.layers()) {
            MoeBlock from = (MoeBlock) moe.layers().get(layer.layer()).feedForward();
            MoeBlock to = (MoeBlock) molae.layers().get(layer.layer()).feedForward();
            for (ExpertOperator operator : ExpertOperator.values()) {
                double error = 0;
                double size = 0;
                for (int expert = 0; expert < 8; expert++) {
                    float[] w =
                            ExpertMatrices.of(manager, from, expert, operator).toFloatArray();
                    size += SmallMoe.energy(w);
                    error += SmallMoe.error(
                            w, ExpertMatrices.of(manager, to, expert, operator).toFloatArray());
                }
                assertThat(Math.sqrt(error / size))
                        .isCloseTo(layer.errors().get(operator).relativeError(), within(1e-5));
            }
        }
    }
}
