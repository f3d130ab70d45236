package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DistillationLoss;
import ai.molae.djl.torch.NoGrad;

/** Another model whose logits are learned from; it is only read. */
record Teacher(CausalLm model, DistillationLoss loss) {

    /** Refuses a teacher that cannot teach this model, or not with sequences so long. */
    void check(CausalLm student, int sequenceLength) {
        if (model == student) {
            throw new IllegalArgumentException("a model cannot be its own teacher; load it a second time");
        }
        int own = model.spec().vocabSize();
        if (own != student.spec().vocabSize()) {
            throw new IllegalArgumentException("the teacher has a vocabulary of " + own + " tokens, the model one of "
                    + student.spec().vocabSize() + "; logits can only be compared token by token");
        }
        if (sequenceLength > model.spec().maxPositionEmbeddings()) {
            throw new IllegalArgumentException("the teacher reads at most "
                    + model.spec().maxPositionEmbeddings() + " tokens of a sequence, the data have " + sequenceLength);
        }
        if (!model.device().equals(student.device())) {
            throw new IllegalArgumentException(
                    "the teacher is on " + model.device() + ", the model on " + student.device());
        }
    }

    /** {@code [B, S, V]} float32, without a graph, owned by the scope. */
    NDArray logits(NDManager scope, NDList inputs) {
        try (NoGrad noGrad = new NoGrad()) {
            return model.forward(new ParameterStore(scope, false), inputs, false)
                    .singletonOrThrow();
        }
    }

    /** What a resumed run must have in common with the one that was stopped. */
    String describe() {
        return "temperature " + loss.temperature() + ", share " + loss.share() + ", model "
                + Integer.toHexString(model.spec().toString().hashCode()) + " in "
                + model.preparedPrecision().orElse(model.precision());
    }
}
