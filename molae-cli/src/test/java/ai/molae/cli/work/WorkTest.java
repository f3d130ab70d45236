package ai.molae.cli.work;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WorkTest {

    @TempDir
    private Path folder;

    @Test
    void aDraftThatIsNotPublishedLeavesNothing() throws IOException {
        try (DraftFolder report = new DraftFolder("report folder", folder.resolve("deep/report"))) {
            Files.writeString(report.file("report.md"), "half");
        }

        assertThat(folder.resolve("deep")).isEmptyDirectory();
    }

    @Test
    void aDraftAppearsWithAllItsFiles() throws IOException {
        Path target = folder.resolve("report");
        try (DraftFolder report = new DraftFolder("report folder", target)) {
            Files.writeString(report.file("report.md"), "whole");
            assertThat(target).doesNotExist();
            report.publish();
        }

        assertThat(target.resolve("report.md")).hasContent("whole");
    }

    @Test
    void anInterruptionStopsTheWorkAndWaitsUntilItIsWritten() throws InterruptedException {
        AtomicInteger stops = new AtomicInteger();
        Interruption interruption = new Interruption();
        interruption.onInterrupt(stops::incrementAndGet);
        Thread hook = new Thread(interruption::interrupt);
        hook.start();
        while (!interruption.happened()) {
            Thread.onSpinWait();
        }
        assertThat(hook.isAlive()).isTrue();
        interruption.onInterrupt(stops::incrementAndGet);
        interruption.close();
        hook.join(10_000);

        assertThat(hook.isAlive()).isFalse();
        assertThat(stops.get()).isGreaterThanOrEqualTo(1);
    }
}
