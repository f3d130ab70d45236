package ai.molae.djl.data;

/** How {@link PackedWindows} fills its windows with documents. */
public enum Packing {
    /** Documents follow each other and windows are cut anywhere; a token sees all before it in its window, across documents. */
    STREAM,
    /**
     * As {@link #STREAM}, but a token sees its own document only, and the last token of a document, after which anything may come, has no
     * label.
     */
    STREAM_INSIDE_DOCUMENTS,
    /**
     * Whole documents share a window where they fit, the fullest one that has room; longer ones are cut into pieces. What is left of a
     * window is padding. A token sees its own document only. Every token but the first of a document is a label exactly once an epoch.
     * Needs about 24 bytes of memory for a document.
     */
    WHOLE_DOCUMENTS
}
