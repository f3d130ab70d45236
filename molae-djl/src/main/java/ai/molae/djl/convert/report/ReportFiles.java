package ai.molae.djl.convert.report;

import ai.molae.djl.files.WholeFile;
import java.io.IOException;
import java.nio.file.Path;

/** The three files of a report. */
final class ReportFiles {

    private ReportFiles() {}

    static void write(Path folder, String name, String markdown, String json, String html) throws IOException {
        WholeFile.write(folder.resolve(name + ".md"), markdown);
        WholeFile.write(folder.resolve(name + ".html"), html);
        // Last, as the one that is read back.
        WholeFile.write(folder.resolve(name + ".json"), json);
    }
}
