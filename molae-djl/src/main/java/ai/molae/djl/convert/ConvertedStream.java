package ai.molae.djl.convert;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.calibrate.LayerStream;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.djl.hf.LayerRows;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * Text that goes through the converted model as far as it is converted, layer by layer, so that every layer is trained and measured on what it will read. One layer
 * is in memory at a time, with its factored form.
 */
final class ConvertedStream implements AutoCloseable {

    /** Which chunks of text are held out, and the order of the others. */
    private static final long SEED = 1;

    private final Checkpoint checkpoint;
    private final LayerStream stream;
    private final boolean multipliedOut;
    private int next;

    /**
     * Begins with the embedding.
     *
     * @param windows the text
     * @param multipliedOut whether finished layers are written as standard ones
     * @param beforeBatch run before every batch, to stop by an exception
     */
    ConvertedStream(
            Checkpoint checkpoint, List<int[]> windows, int batchSize, boolean multipliedOut, Runnable beforeBatch) {
        this.checkpoint = checkpoint;
        this.multipliedOut = multipliedOut;
        stream = LayerStream.open(checkpoint, windows, batchSize, Device.cpu()).onBatch(beforeBatch);
    }

    /**
     * A layer converted on this text.
     *
     * @param rows its parameters
     * @param outputError of its outputs, on text that it was not trained on
     * @param trainedErrors relative errors of its products after training; empty if it was not trained
     */
    record Converted(LayerRows rows, OptionalDouble outputError, Map<ExpertOperator, Double> trainedErrors) {

        /** Without text. */
        static Converted of(LayerRows rows) {
            return new Converted(rows, OptionalDouble.empty(), Map.of());
        }
    }

    /** Uses a converted layer while it is in memory. */
    @FunctionalInterface
    interface Use {
        void accept(Converted converted) throws IOException;
    }

    /**
     * Converts the layer, trains it if asked to, and lets the text through it.
     *
     * @param layer its number; layers before it are let through
     * @param factored those of the layers before that are converted
     * @param molae the factored layer
     * @param rows its parameters so far
     * @param distillation how to train it; empty for not at all
     * @param use gets the layer's parameters and its error
     */
    void convert(
            int layer,
            Map<Integer, MoeSpec> factored,
            CheckpointDraft draft,
            MoeSpec molae,
            LayerRows rows,
            Optional<DistillationSpec> distillation,
            Use use)
            throws IOException {
        passTo(layer, factored, draft);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            DecoderLayer decoder = checkpoint.loadLayer(layer, manager, Precision.FLOAT32);
            MoeBlock original = (MoeBlock) decoder.feedForward();
            MoeBlock converted = FactoredBlock.of(manager, original, molae, rows);
            stream.attend(decoder);
            LayerInputs inputs = new LayerInputs("layer " + layer, stream.batches(), molae.hiddenSize(), stream::input);
            Map<ExpertOperator, Double> trained = new EnumMap<>(ExpertOperator.class);
            double error;
            if (distillation.isPresent()) {
                error = new LayerDistillation(distillation.get(), SEED)
                        .train(original, converted, inputs)
                        .errorAfter();
                for (ExpertOperator operator :
                        molae.latent().orElseThrow().latentSizes().keySet()) {
                    trained.put(operator, FactoredBlock.relativeError(original, converted, operator));
                }
            } else {
                error = LayerDistillation.outputError(original, converted, inputs);
            }
            use.accept(new Converted(FactoredBlock.rows(converted), OptionalDouble.of(error), trained));
            complete(layer, molae, original, Optional.of(converted), draft);
        }
        next = layer + 1;
    }

    /** Lets the text through layers that need no work: dense ones, and those finished by a call that was interrupted. */
    private void passTo(int layer, Map<Integer, MoeSpec> factored, CheckpointDraft draft) throws IOException {
        for (; next < layer; next++) {
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                DecoderLayer decoder = checkpoint.loadLayer(next, manager, Precision.FLOAT32);
                stream.attend(decoder);
                MoeSpec molae = factored.get(next);
                if (molae == null) {
                    stream.complete(decoder.feedForward());
                } else {
                    complete(next, molae, (MoeBlock) decoder.feedForward(), Optional.empty(), draft);
                }
            }
        }
    }

    /** Lets the text through a layer as it was written, rounded to the type of the file: the same whether or not the conversion was interrupted before. */
    private void complete(
            int layer, MoeSpec molae, MoeBlock original, Optional<MoeBlock> converted, CheckpointDraft draft)
            throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                CheckpointDraft.Layer written = draft.read(layer, multipliedOut ? molae.withoutLatent() : molae)) {
            if (multipliedOut) {
                FactoredBlock.fill(original, original, written);
                stream.complete(original);
            } else if (converted.isPresent()) {
                FactoredBlock.fill(original, converted.get(), written);
                stream.complete(converted.get());
            } else {
                stream.complete(FactoredBlock.of(manager, original, molae, written));
            }
        }
    }

    @Override
    public void close() {
        stream.close();
    }
}
