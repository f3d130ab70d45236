package ai.molae.cli.convert;

import ai.molae.cli.options.ByteSize;
import ai.molae.cli.options.Ranges;
import ai.molae.djl.convert.Converter;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What the machine gives. */
final class MachineOptions {

    @Option(
            names = "--memory",
            converter = ByteSize.class,
            paramLabel = "SIZE",
            description = "Most memory to use, such as 8GB (default: half the machine's).")
    private @Nullable Long memory;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Factorisations at a time (default: as the memory allows).")
    private @Nullable Integer threads;

    /** Refuses numbers out of range. */
    void check() {
        if (threads != null) {
            Ranges.positive("--threads", threads);
        }
    }

    void configure(Converter.Builder converter) {
        if (memory != null) {
            converter.optMemoryLimit(memory);
        }
        if (threads != null) {
            converter.optThreads(threads);
        }
    }
}
