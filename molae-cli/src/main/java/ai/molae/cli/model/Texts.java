package ai.molae.cli.model;

import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TextCorpus;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.ZipException;

/** The texts of {@code --text}, and whether they suffice. */
public final class Texts {

    private Texts() {}

    /**
     * Reads files, folders and archives.
     *
     * @param paths what {@code --text} names
     * @return their documents
     * @throws IllegalArgumentException if a path does not exist, is a broken archive, or there is no text in any
     * @throws IOException if reading fails
     */
    public static TextCorpus read(List<Path> paths) throws IOException {
        TextCorpus corpus = new TextCorpus(List.of(), 0);
        for (Path path : paths) {
            try {
                corpus = corpus.plus(TextCorpus.read(path, name -> true));
            } catch (ZipException e) {
                throw new IllegalArgumentException("--text " + path + " is no readable archive: " + e.getMessage(), e);
            } catch (NoSuchFileException e) {
                throw new IllegalArgumentException("--text " + path + " does not exist");
            }
        }
        if (corpus.documents().stream().allMatch(String::isEmpty)) {
            throw new IllegalArgumentException(
                    "--text " + paths + " has no text: " + corpus.documents().size() + " empty files, "
                            + corpus.skipped() + " files that are not UTF-8 text");
        }
        return corpus;
    }

    /**
     * Refuses more windows at once than there are.
     *
     * @param batchSize how many
     * @param tokens the training text
     * @param sequenceLength tokens of a window
     * @throws IllegalArgumentException if there are fewer
     */
    public static void checkBatch(int batchSize, int[] tokens, int sequenceLength) {
        long windows = new PackedWindows(tokens, sequenceLength, 0).size();
        if (batchSize > windows) {
            throw new IllegalArgumentException("--batch " + batchSize + " exceeds the " + windows
                    + " windows of the training text; give more text, or a smaller --batch or --sequence");
        }
    }

    /**
     * Refuses a text without a whole window.
     *
     * @param part which part of the text
     * @param tokens the part
     * @param sequenceLength tokens of a window
     * @throws IllegalArgumentException if it is shorter
     */
    public static void checkLength(String part, int[] tokens, int sequenceLength) {
        if (tokens.length <= sequenceLength) {
            throw new IllegalArgumentException("the text is too short: its " + part + " part has " + tokens.length
                    + " tokens, one window needs " + (sequenceLength + 1)
                    + "; give more text or a smaller --sequence");
        }
    }
}
