package ai.molae.djl.data;

/** Which tokens are in which window. */
interface WindowLayout {

    /** The number of windows. */
    long size();

    /** Writes a window as a row of a batch whose labels are all ignored and whose inputs and mask are zero. */
    void fill(long window, int row, TokenBatch batch);

    /** Whether a batch needs a mask. */
    boolean insideDocuments();
}
