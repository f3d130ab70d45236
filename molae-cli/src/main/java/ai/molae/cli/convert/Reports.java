package ai.molae.cli.convert;

import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.djl.convert.report.ConversionFiles;
import ai.molae.djl.convert.report.SpectrumFiles;
import java.io.IOException;
import java.nio.file.Path;

/** The files of the reports. */
final class Reports {

    private Reports() {}

    static void write(ConversionReport report, Path folder) throws IOException {
        ConversionFiles.write(report, folder);
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
