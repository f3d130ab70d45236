package ai.molae.cli.quickstart;

import ai.molae.djl.data.TextCorpus;
import java.io.IOException;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URL;
import java.nio.file.Path;
import java.util.List;

/** The text to train on when the user gives none: Java source in the sources jars on the class path, all Apache-2.0. */
final class SampleText {

    /** A file of each library, by which its sources jar is found. */
    private static final List<String> MARKERS = List.of(
            "org/apache/commons/lang3/StringUtils.java",
            "org/apache/commons/collections4/CollectionUtils.java",
            "com/google/common/collect/ImmutableList.java");

    private SampleText() {}

    static TextCorpus read() throws IOException {
        TextCorpus corpus = new TextCorpus(List.of(), 0);
        for (String marker : MARKERS) {
            URL url = SampleText.class.getClassLoader().getResource(marker);
            if (url == null || !(url.openConnection() instanceof JarURLConnection jar)) {
                throw new IOException("no sources jar with " + marker + " on the class path; give a text with --text");
            }
            Path path = Path.of(URI.create(jar.getJarFileURL().toString()));
            corpus = corpus.plus(TextCorpus.read(path, name -> name.endsWith(".java")));
        }
        return corpus;
    }
}
