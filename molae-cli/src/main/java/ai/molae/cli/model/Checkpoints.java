package ai.molae.cli.model;

import ai.djl.ndarray.NDManager;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Meter;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointConfig;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.safetensors.SafetensorsException;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ModelSpec;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CancellationException;
import java.util.function.Function;

/** Opens and loads checkpoints; what is wrong with a folder is the user's to mend. */
public final class Checkpoints {

    private Checkpoints() {}

    /**
     * Opens a folder. Reads headers only.
     *
     * @param folder the folder
     * @return the checkpoint, the caller's to close
     * @throws IllegalArgumentException if there is no such folder, or it is no checkpoint that molae has a model for
     * @throws IOException if a file cannot be read
     */
    public static Checkpoint open(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new IllegalArgumentException(folder + (Files.exists(folder) ? " is a file" : " does not exist")
                    + "; name the folder of a checkpoint, with config.json and safetensors files");
        }
        if (!Files.exists(folder.resolve(CheckpointConfig.FILE))) {
            Path ofRun = folder.resolve("model");
            throw new IllegalArgumentException(folder + " has no " + CheckpointConfig.FILE + "; "
                    + (Files.exists(ofRun.resolve(CheckpointConfig.FILE))
                            ? "it is the folder of a run, whose model is " + ofRun
                            : "is it a checkpoint as Hugging Face's library saves it?"));
        }
        try {
            return Checkpoint.open(folder);
        } catch (SafetensorsException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(folder.resolve(CheckpointConfig.FILE) + " is not UTF-8 text", e);
        }
    }

    /**
     * How a command loads: with a bar, and ending when it is interrupted.
     *
     * @param err where the bar goes
     * @param quiet to show no bar
     * @param interruption ends it
     */
    public record Loading(PrintWriter err, boolean quiet, Interruption interruption) {

        /**
         * Loads a model to infer with.
         *
         * @param checkpoint the checkpoint
         * @param manager will own the weights
         * @param precision how to pack them
         * @return the model
         * @throws CancellationException if it was interrupted
         */
        public CausalLm forInference(Checkpoint checkpoint, NDManager manager, Precision precision) {
            return load(checkpoint, opened -> opened.loadForInference(manager, precision));
        }

        /**
         * Loads a model to train.
         *
         * @param checkpoint the checkpoint
         * @param manager will own the parameters
         * @param precision the arithmetic of the products
         * @return the model
         * @throws CancellationException if it was interrupted
         */
        public CausalLm forTraining(Checkpoint checkpoint, NDManager manager, Precision precision) {
            return load(checkpoint, opened -> opened.load(manager, precision));
        }

        /**
         * Loads the parameters into another model that has the same ones.
         *
         * @param checkpoint the checkpoint
         * @param spec the model
         * @param manager will own the parameters
         * @param precision the arithmetic of the products
         * @return the model
         * @throws CancellationException if it was interrupted
         */
        public CausalLm forTraining(Checkpoint checkpoint, ModelSpec spec, NDManager manager, Precision precision) {
            return load(checkpoint, opened -> opened.load(spec, manager, precision));
        }

        private CausalLm load(Checkpoint checkpoint, Function<Checkpoint, CausalLm> how) {
            long megabytes = checkpoint.tensors().bytes() / 1_000_000;
            try (Meter meter = new Meter("loading", megabytes, "MB", Meter.Plainly.NOTHING, err, quiet)) {
                checkpoint.onProgress(progress -> {
                    interruption.check();
                    meter.at((long) (megabytes * ((double) progress.elements() / progress.total())), "");
                });
                return how.apply(checkpoint);
            }
        }
    }
}
