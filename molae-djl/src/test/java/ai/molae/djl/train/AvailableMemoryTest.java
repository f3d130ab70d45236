package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AvailableMemoryTest {

    @TempDir
    private Path root;

    @BeforeEach
    void theSystemHasAMebibyte() throws IOException {
        write("proc/meminfo", "MemTotal: 4096 kB\nMemFree: 7 kB\nMemAvailable:    1024 kB\n");
    }

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    private long available() {
        return AvailableMemory.linux(root).orElseThrow();
    }

    @Test
    void withoutControlGroupsItIsWhatTheSystemCallsAvailable() {
        assertThat(available()).isEqualTo(1 << 20);
    }

    @Test
    void aGroupOfVersion2LeavesItsLimitLessWhatItUsesWithoutCachedFiles() throws IOException {
        write("proc/self/cgroup", "0::/user/job\n");
        write("sys/fs/cgroup/user/job/memory.max", "100000\n");
        write("sys/fs/cgroup/user/job/memory.current", "70000\n");
        write("sys/fs/cgroup/user/job/memory.stat", "anon 1\ninactive_file 20000\n");

        assertThat(available()).isEqualTo(50_000);
    }

    @Test
    void theLimitOfAGroupAboveHoldsToo() throws IOException {
        write("proc/self/cgroup", "0::/user/job\n");
        write("sys/fs/cgroup/user/job/memory.max", "max\n");
        write("sys/fs/cgroup/user/job/memory.current", "70000\n");
        write("sys/fs/cgroup/user/memory.max", "90000\n");
        write("sys/fs/cgroup/user/memory.current", "80000\n");

        assertThat(available()).isEqualTo(10_000);
    }

    @Test
    void aContainerSeesItsGroupOfVersion1AtTheTop() throws IOException {
        write("proc/self/cgroup", "3:cpu:/docker/a\n2:memory:/docker/a\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "100000\n");
        write("sys/fs/cgroup/memory/memory.usage_in_bytes", "60000\n");
        write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 5000\n");

        assertThat(available()).isEqualTo(45_000);
    }

    @Test
    void nobodyTellsWithoutProc() {
        assertThat(AvailableMemory.linux(root.resolve("elsewhere"))).isEmpty();
    }
}
