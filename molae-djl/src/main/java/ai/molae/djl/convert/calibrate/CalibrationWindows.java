package ai.molae.djl.convert.calibrate;

import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.data.TrainingData;
import ai.molae.spec.ModelSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** CalibrationWindows of tokens to calibrate on, all of one length. */
public final class CalibrationWindows {

    private CalibrationWindows() {}

    /**
     * CalibrationWindows of training data in its order of training, each at most once, so that seed and number say which ones.
     *
     * @param data without padding and without a mask of documents, see {@link ai.molae.djl.data.Packing#STREAM}
     * @param mostTokens how many tokens they may have together; one window is taken even if it has more
     * @return the windows
     * @throws IllegalArgumentException if {@code mostTokens} is not positive, or the data has a mask
     */
    public static List<int[]> of(TrainingData data, long mostTokens) {
        if (mostTokens < 1) {
            throw new IllegalArgumentException("calibration needs at least 1 token, got mostTokens = " + mostTokens);
        }
        long count = Math.max(1, Math.min(data.size(), mostTokens / data.sequenceLength()));
        List<int[]> windows = new ArrayList<>();
        for (long position = 0; position < count; position++) {
            TokenBatch batch = data.shuffled(position, 1);
            if (batch.documents().length > 0) {
                throw new IllegalArgumentException(
                        "calibration reads windows without padding that see all of their text; pack the documents with"
                                + " Packing.STREAM");
            }
            windows.add(Arrays.stream(batch.inputs()).mapToInt(Math::toIntExact).toArray());
        }
        return windows;
    }

    /** Refuses windows that a model cannot read. */
    static void check(List<int[]> windows, ModelSpec spec) {
        if (windows.isEmpty()) {
            throw new IllegalArgumentException("calibration needs at least one window of tokens");
        }
        int length = windows.get(0).length;
        if (length < 1 || length > spec.maxPositionEmbeddings()) {
            throw new IllegalArgumentException("the windows have " + length
                    + " tokens, the model reads from 1 to maxPositionEmbeddings = " + spec.maxPositionEmbeddings());
        }
        for (int i = 0; i < windows.size(); i++) {
            if (windows.get(i).length != length) {
                throw new IllegalArgumentException("all windows have one length, but number " + i + " has "
                        + windows.get(i).length + " tokens, number 0 has " + length);
            }
            for (int token : windows.get(i)) {
                if (token < 0 || token >= spec.vocabSize()) {
                    throw new IllegalArgumentException("window " + i + " has the token " + token
                            + ", the model's vocabulary goes from 0 to " + (spec.vocabSize() - 1)
                            + "; were they made by another tokenizer?");
                }
            }
        }
    }
}
