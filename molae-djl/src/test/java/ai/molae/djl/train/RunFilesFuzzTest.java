package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.safetensors.SafetensorsMutations;
import ai.molae.djl.torch.Precision;
import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a run leaves to go on from, with something wrong: checkpoints, and the arrays of optimizers and adapters (LoRA). */
class RunFilesFuzzTest {

    @TempDir
    private Path folder;

    @Test
    void notesOfACheckpointAreReadOrRefused() throws IOException {
        Path checkpoint = folder.resolve("step-0000000000");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                NDArray state = manager.ones(new Shape(3))) {
            CausalLm model = SmallRun.model(manager, SmallRun.MOLAE, Precision.FLOAT32);
            Optimizer optimizer =
                    Optimizers.of(manager, model, AdamWSpec.builder().build());
            TrainingCheckpoint.write(
                    checkpoint,
                    model,
                    optimizer,
                    TrainingState.start().validated(2.5),
                    Map.of("steps", "3"),
                    Optional.empty());
            assertThat(state).isNotNull();
        }
        Path file = checkpoint.resolve(TrainingCheckpoint.TRAINER_FILE);
        byte[] whole = Files.readAllBytes(file);
        String text = new String(whole, StandardCharsets.UTF_8);
        Fuzz.of("trainer.json", 500)
                .refusedBy(CorruptCheckpointException.class, IllegalArgumentException.class)
                .naming(checkpoint.toString())
                .run(
                        random -> random.nextInt(4) == 0
                                ? ByteMutations.damage(whole, random)
                                : JsonMutations.mutate(text, random).getBytes(StandardCharsets.UTF_8),
                        bytes -> {
                            Files.write(file, bytes);
                            assertThat(TrainingCheckpoint.open(checkpoint)
                                            .spec()
                                            .numLayers())
                                    .isEqualTo(2);
                        });
    }

    @Test
    void arraysOfOptimizersAndAdaptersAreReadOrRefused() throws IOException {
        Path arrays = folder.resolve("arrays");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> values = new TreeMap<>();
            values.put("a.lora_a", manager.ones(new Shape(2, 3)));
            values.put("b.moment", manager.zeros(new Shape(5), DataType.FLOAT32));
            values.put("c.quantised", manager.zeros(new Shape(4), DataType.UINT8));
            ArrayFiles.save(values, arrays);
            Path file = arrays.resolve("model.safetensors");
            byte[] whole = Files.readAllBytes(file);
            Fuzz.of("arrays", 400)
                    .naming(arrays.toString())
                    .run(
                            random -> random.nextBoolean()
                                    ? ByteMutations.damage(whole, random)
                                    : SafetensorsMutations.header(whole, random),
                            bytes -> {
                                Files.write(file, bytes);
                                ArrayFiles.restore(arrays, values);
                            });
        }
    }
}
