package ai.molae.cli.model;

import ai.molae.djl.data.TextCorpus;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.ZipException;

/** The texts of {@code --text}. */
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
}
