package ai.molae.cost;

/** What makes a training step keep more than the sizes of the model say. */
public enum StepTrait {
    /** A mask of padding comes with the tokens; attention keeps it as {@code [B, S, S]} in every layer. */
    PADDED,
    /**
     * float32 products that autograd records go through a library with arrays of its own (oneDNN): a copy of what each product reads and of what
     * it makes is kept.
     */
    COPIED_PRODUCTS,
    /** Routed experts have adapters, so that autograd records them: gathered rows and all intermediates are kept. */
    EXPERTS_BY_AUTOGRAD,
    /**
     * The loss compares the logits with those of a teacher too: these are there when the loss is taken and become its gradient, so that the
     * logarithms of the logits are never kept.
     */
    TEACHER
}
