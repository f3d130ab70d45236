package ai.molae.bench.study;

import ai.molae.djl.data.TextCorpus;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** What comparisons over seeds read and compute. */
final class Sample {

    private Sample() {}

    /** The Java sources and texts in files, folders or archives. */
    static TextCorpus text(List<Path> paths) throws IOException {
        TextCorpus corpus = new TextCorpus(List.of(), 0);
        for (Path path : paths) {
            corpus = corpus.plus(TextCorpus.read(path, name -> name.endsWith(".java") || name.endsWith(".txt")));
        }
        return corpus;
    }

    /** NaN of nothing. */
    static double mean(double[] values) {
        return Arrays.stream(values).average().orElse(Double.NaN);
    }

    /** Of the sample. */
    static double deviation(double[] values) {
        double mean = mean(values);
        return Math.sqrt(
                Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / Math.max(1, values.length - 1));
    }
}
