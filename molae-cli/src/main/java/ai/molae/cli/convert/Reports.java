package ai.molae.cli.convert;

import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.djl.convert.report.ConversionFiles;
import ai.molae.djl.convert.report.SpectrumFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** The files of the reports. */
final class Reports {

    private static final String JSON = "conversion.json";

    private Reports() {}

    static void write(ConversionReport report, Path folder) throws IOException {
        ConversionFiles.write(report, folder);
    }

    /** The same files as texts by their names. */
    static Map<String, String> texts(ConversionReport report) {
        return Map.of(
                "conversion.md",
                ConversionFiles.markdown(report),
                "conversion.html",
                ConversionFiles.html(report),
                JSON,
                ConversionFiles.json(report));
    }

    /** Whether a folder has the report of a conversion. */
    static boolean isThere(Path folder) {
        return Files.exists(folder.resolve(JSON));
    }

    static ConversionReport read(Path folder) throws IOException {
        return ConversionFiles.read(folder);
    }

    static String markdown(SpectrumReport report) {
        return SpectrumFiles.markdown(report);
    }

    static void write(SpectrumReport report, Path folder) throws IOException {
        SpectrumFiles.write(report, folder);
    }
}
