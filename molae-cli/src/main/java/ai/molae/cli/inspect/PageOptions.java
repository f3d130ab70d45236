package ai.molae.cli.inspect;

import ai.molae.cli.table.Unit;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.StageMeter;
import ai.molae.djl.convert.ExpertSpectra;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.djl.hf.Checkpoint;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The page, and what is computed for it alone. */
final class PageOptions {

    private static final String HTML = "--html";

    @Option(
            names = HTML,
            paramLabel = "FILE",
            description =
                    "Write the model as a page too: architecture, costs, load of the experts on the text, spectra of the experts.")
    private @Nullable Path file;

    @Option(
            names = SpectraChoice.FLAG,
            paramLabel = "all|none|LAYERS",
            description =
                    "Layers whose experts' singular values are on the page, such as 0,5-7 (default: as many as 10^12 operations do).")
    private @Nullable String spectra;

    /** Made by picocli. */
    PageOptions() {}

    /** Where the page will be. */
    Optional<Path> file() {
        return Optional.ofNullable(file);
    }

    /**
     * Refuses a place where nothing can be written, before there is any work.
     *
     * @throws IllegalArgumentException if something is there, or the folder is not
     */
    void check() {
        if (file == null) {
            if (spectra != null) {
                throw new IllegalArgumentException(
                        SpectraChoice.FLAG + " is for the page; add " + HTML + " FILE, or leave it away");
            }
            return;
        }
        if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new IllegalArgumentException(
                    file + " exists, and nothing is overwritten; give another file with " + HTML);
        }
        Path folder = file.toAbsolutePath().getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new IllegalArgumentException("the folder " + folder + " of " + HTML + " " + file
                    + (folder != null && Files.exists(folder) ? " is a file" : " does not exist")
                    + "; make it, or give another file");
        }
    }

    /** Which layers' spectra are wanted. */
    SpectraChoice spectra(Checkpoint checkpoint) {
        return SpectraChoice.of(spectra, checkpoint.spec());
    }

    /** Computes them; empty if there are none. */
    static Optional<SpectrumReport> compute(
            SpectraChoice choice, Checkpoint checkpoint, PrintWriter err, Interruption interruption) {
        if (choice.layers().isEmpty()) {
            return Optional.empty();
        }
        try (StageMeter meter = new StageMeter(err, false)) {
            ExpertSpectra spectra = new ExpertSpectra(checkpoint, choice.layers(), meter);
            interruption.onInterrupt(spectra::stop);
            return Optional.of(spectra.compute());
        }
    }

    /**
     * Refuses to load what has no room, which would end in the system's killing the process.
     *
     * @param needed bytes of the weights as they are packed
     * @param available bytes that are there; empty if nobody tells
     * @throws IllegalArgumentException if they do not fit
     */
    static void checkMemory(long needed, OptionalLong available) {
        if (available.isPresent() && needed > available.getAsLong()) {
            throw new IllegalArgumentException("--text loads the model, whose weights need " + Unit.BYTE.human(needed)
                    + ", and " + Unit.BYTE.human(available.getAsLong())
                    + " are free; pack them smaller with --precision, or leave --text away");
        }
    }
}
