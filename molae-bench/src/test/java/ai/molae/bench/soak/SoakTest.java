package ai.molae.bench.soak;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.torch.NativeMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The soak program for some seconds in place of hours. */
class SoakTest {

    private static final int ROUNDS = 3;

    /** Two rounds, one for each seed, fill caches. From there on a round leaves some kilobytes behind, most of them the JVM's compiler's. */
    private static final double BYTES_PER_ROUND = 2 << 20;

    /** Threads that were told to end need a processor for that. */
    private static final long TO_END_MILLIS = 60_000;

    @TempDir
    Path folder;

    /** Exit code 1 if a thread that generates beside seven others gets other tokens than alone, or a round other results than the one before of its seed. */
    @Test
    void everythingGivesEqualResultsAgainAndLeavesNothingBehind() throws IOException, InterruptedException {
        Set<Thread> before = Thread.getAllStackTraces().keySet();

        int exit = new CommandLine(new Soak()).execute("--rounds", "" + ROUNDS, "--threads", "8", "--out", "" + folder);

        assertThat(exit).isZero();
        assertThat(Files.readString(folder.resolve("soak.md"))).contains("3 rounds in", "8 threads at once");
        List<Reading> rounds = new Readings(folder.resolve("soak.csv")).all();
        assertThat(rounds).hasSize(ROUNDS);
        Reading warm = rounds.get(Rounds.SEEDS - 1);
        Reading last = rounds.get(ROUNDS - 1);
        assertThat(last.of(Gauge.DISK)).isEqualTo(warm.of(Gauge.DISK));
        if (NativeMemory.inUse().isPresent()) {
            assertThat((last.of(Gauge.NATIVE) - warm.of(Gauge.NATIVE)) / (ROUNDS - Rounds.SEEDS))
                    .as("native bytes that a round adds")
                    .isLessThan(BYTES_PER_ROUND);
        }
        assertThat(folder.resolve("work")).doesNotExist();
        Set<Thread> started = new HashSet<>(Thread.getAllStackTraces().keySet());
        started.removeAll(before);
        started.removeIf(thread -> !thread.getName().startsWith("molae-"));
        for (Thread thread : started) {
            thread.join(TO_END_MILLIS);
            assertThat(thread.isAlive()).as(thread.getName()).isFalse();
        }
    }
}
