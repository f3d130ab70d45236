package ai.molae.djl.train;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.util.cuda.CudaUtils;
import ai.molae.djl.torch.NativeMemory;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/** Memory that a process may still take. */
final class AvailableMemory {

    private AvailableMemory() {}

    static OptionalLong of(Device device) {
        if (device.isGpu()) {
            return gpu(device);
        }
        NativeMemory.trim();
        OptionalLong linux = linux(Path.of("/"));
        if (linux.isPresent()) {
            return linux;
        }
        return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
                ? OptionalLong.of(system.getFreeMemorySize())
                : OptionalLong.empty();
    }

    private static OptionalLong gpu(Device device) {
        try {
            MemoryUsage usage = CudaUtils.getGpuMemory(device);
            return OptionalLong.of(usage.getMax() - usage.getUsed());
        } catch (IllegalArgumentException | EngineException | UnsatisfiedLinkError e) {
            return OptionalLong.empty();
        }
    }

    /** The least of what the system and the control groups of this process leave; empty where there is no {@code /proc}. */
    static OptionalLong linux(Path root) {
        OptionalLong least = OptionalLong.empty();
        for (String line : lines(root.resolve("proc/meminfo"))) {
            if (line.startsWith("MemAvailable:")) {
                least = OptionalLong.of(
                        1024 * number(line.replaceAll("[^0-9]", "")).orElse(0));
            }
        }
        if (least.isEmpty()) {
            return least;
        }
        for (String line : lines(root.resolve("proc/self/cgroup"))) {
            String[] parts = line.split(":", 3);
            if (parts.length == 3 && parts[0].equals("0")) {
                least = groups(
                        root.resolve("sys/fs/cgroup"),
                        parts[2],
                        "memory.max",
                        "memory.current",
                        "inactive_file ",
                        least);
            } else if (parts.length == 3 && List.of(parts[1].split(",", -1)).contains("memory")) {
                least = groups(
                        root.resolve("sys/fs/cgroup/memory"),
                        parts[2],
                        "memory.limit_in_bytes",
                        "memory.usage_in_bytes",
                        "total_inactive_file ",
                        least);
            }
        }
        return least;
    }

    /** A group's limit holds for those below it. In a container the path may be that outside, which is not there. */
    private static OptionalLong groups(
            Path top, String path, String limit, String usage, String reclaimable, OptionalLong known) {
        OptionalLong least = known;
        for (Path group = top.resolve(path.substring(1)).normalize();
                group != null && group.startsWith(top);
                group = group.getParent()) {
            OptionalLong most = first(group.resolve(limit));
            OptionalLong used = first(group.resolve(usage));
            if (most.isPresent() && used.isPresent()) {
                long cached = lines(group.resolve("memory.stat")).stream()
                        .filter(line -> line.startsWith(reclaimable))
                        .mapToLong(line ->
                                number(line.substring(reclaimable.length())).orElse(0))
                        .findFirst()
                        .orElse(0);
                long left = Math.max(0, most.getAsLong() - Math.max(0, used.getAsLong() - cached));
                least = OptionalLong.of(Math.min(left, least.orElse(left)));
            }
        }
        return least;
    }

    private static OptionalLong first(Path file) {
        List<String> lines = lines(file);
        return lines.isEmpty() ? OptionalLong.empty() : number(lines.get(0));
    }

    /** {@code max}, for no limit, is no number. */
    private static OptionalLong number(String text) {
        try {
            return OptionalLong.of(Long.parseLong(text.trim()));
        } catch (NumberFormatException e) {
            return OptionalLong.empty();
        }
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException | SecurityException e) {
            return List.of();
        }
    }
}
