package ai.molae.djl.convert.report;

import ai.molae.djl.chart.Page;
import java.io.IOException;
import java.nio.file.Path;

/** The three files of a report. */
final class ReportFiles {

    private ReportFiles() {}

    static void write(Path folder, String name, String markdown, String json, String html) throws IOException {
        Page.write(folder.resolve(name + ".md"), markdown);
        Page.write(folder.resolve(name + ".html"), html);
        // Last, as the one that is read back.
        Page.write(folder.resolve(name + ".json"), json);
    }
}
