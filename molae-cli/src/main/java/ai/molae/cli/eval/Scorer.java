package ai.molae.cli.eval;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.cli.eval.Windows.Window;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Meter;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;
import java.util.List;
import java.util.Locale;

/** Lets a model predict a text. */
final class Scorer {

    private final NDManager manager;
    private final CausalLm model;
    private final TokenStream stream;

    Scorer(NDManager manager, CausalLm model, TokenStream stream) {
        this.manager = manager;
        this.model = model;
        this.stream = stream;
    }

    /** Scores every window; ends early, without a result, when interrupted. */
    Result score(List<Window> windows, int batchSize, Meter meter, Interruption interruption) {
        double nats = 0;
        long tokens = 0;
        long start = System.nanoTime();
        for (List<Window> batch : Windows.batches(windows, batchSize)) {
            interruption.check();
            long scored = batch.stream().mapToLong(this::scored).sum();
            if (scored > 0) {
                nats += scored * mean(batch);
                tokens += scored;
            }
            meter.at(tokens, tokens == 0 ? "" : String.format(Locale.ROOT, "loss %.4f", nats / tokens));
        }
        if (!Double.isFinite(nats)) {
            throw new IllegalStateException("the loss is " + nats
                    + ": a weight is not a number, or the computation has overflowed; is the checkpoint damaged?");
        }
        return new Result(nats, tokens, stream.bytes(), (System.nanoTime() - start) * 1e-9);
    }

    private long scored(Window window) {
        long count = 0;
        for (int position = window.firstScored(); position <= window.end(); position++) {
            count += stream.isScored(position) ? 1 : 0;
        }
        return count;
    }

    /** The mean cross-entropy of what a batch scores. */
    private double mean(List<Window> batch) {
        int length = batch.get(0).length();
        long[] inputs = new long[batch.size() * length];
        long[] labels = new long[inputs.length];
        for (int b = 0; b < batch.size(); b++) {
            Window window = batch.get(b);
            for (int i = 0; i < length; i++) {
                int position = window.begin() + i;
                inputs[b * length + i] = stream.token(position);
                boolean counts = position + 1 >= window.firstScored() && stream.isScored(position + 1);
                labels[b * length + i] = counts ? stream.token(position + 1) : TokenBatch.IGNORED;
            }
        }
        try (NDManager scope = manager.newSubManager()) {
            Shape shape = new Shape(batch.size(), length);
            NDArray tokens = scope.create(inputs, shape);
            NDArray logits = model.forward(new ParameterStore(scope, false), new NDList(tokens), false)
                    .singletonOrThrow();
            return CausalLmLoss.crossEntropy(logits, scope.create(labels, shape))
                    .getFloat();
        }
    }
}
