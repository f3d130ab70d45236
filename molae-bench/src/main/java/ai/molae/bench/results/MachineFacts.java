package ai.molae.bench.results;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.Precision;
import ai.onnxruntime.OrtEnvironment;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What this process can find out about itself. */
final class MachineFacts {

    /** The launcher knows the commit of the source tree it builds. */
    static final String COMMIT_PROPERTY = "molae.commit";

    private static final Path CPU_INFO = Path.of("/proc/cpuinfo");

    /** Instructions that decide how fast matrix products are, in x86's and ARM's words. */
    private static final List<String> INSTRUCTIONS = List.of(
            "sse4_2",
            "avx",
            "avx2",
            "fma",
            "avx512f",
            "avx512vl",
            "avx512_vnni",
            "avx512_bf16",
            "avx512_fp16",
            "avx_vnni",
            "amx_tile",
            "amx_bf16",
            "amx_int8",
            "neon",
            "asimd",
            "asimdhp",
            "asimddp",
            "bf16",
            "i8mm",
            "sve",
            "sve2");

    private MachineFacts() {}

    static Map<String, String> all() {
        Map<String, String> facts = new LinkedHashMap<>();
        List<String> cpuInfo = cpuInfo();
        facts.put(Environment.CPU, cpu(cpuInfo));
        facts.put("cores", String.valueOf(Runtime.getRuntime().availableProcessors()));
        Engine engine = Engine.getEngine("PyTorch");
        facts.put(Environment.THREADS, String.valueOf(JniUtils.getNumThreads()));
        facts.put("isa", isa(cpuInfo));
        facts.put("memory", memory());
        facts.put("os", property("os.name") + " " + property("os.version") + " " + property("os.arch"));
        facts.put("jdk", property("java.vm.name") + " " + property("java.vm.version"));
        facts.put("heap", gib(Runtime.getRuntime().maxMemory()));
        facts.put("libtorch", engine.getVersion());
        facts.put("djl", Engine.getDjlVersion());
        facts.put("onnxruntime", onnxRuntime());
        facts.put("molae", version(MachineFacts.class.getPackage().getImplementationVersion()));
        facts.put(Environment.COMMIT, System.getProperty(COMMIT_PROPERTY, ""));
        facts.put(
                Environment.DATE,
                ZonedDateTime.now(ZoneOffset.UTC).format(DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'")));
        facts.put("device", engine.defaultDevice().toString());
        for (Precision precision : Precision.values()) {
            facts.put("gemm " + precision, gemm(precision, engine.defaultDevice()));
        }
        return facts;
    }

    /** Where the kernel runs, not Linux: nothing. */
    private static List<String> cpuInfo() {
        try {
            return Files.isReadable(CPU_INFO) ? Files.readAllLines(CPU_INFO) : List.of();
        } catch (IOException e) {
            return List.of();
        }
    }

    static String cpu(List<String> cpuInfo) {
        String model = value(cpuInfo, "model name");
        return model.isEmpty() ? property("os.arch") : model;
    }

    static String isa(List<String> cpuInfo) {
        String x86 = value(cpuInfo, "flags");
        List<String> flags = Arrays.asList((x86.isEmpty() ? value(cpuInfo, "Features") : x86).split(" "));
        return INSTRUCTIONS.stream().filter(flags::contains).collect(Collectors.joining(" "));
    }

    private static String value(List<String> cpuInfo, String key) {
        return cpuInfo.stream()
                .filter(line -> line.contains(":")
                        && line.substring(0, line.indexOf(':')).strip().equals(key))
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .findFirst()
                .orElse("");
    }

    private static String memory() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
                ? gib(system.getTotalMemorySize())
                : "";
    }

    private static String gib(long bytes) {
        return String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30));
    }

    private static String onnxRuntime() {
        try {
            return OrtEnvironment.getEnvironment().getVersion();
        } catch (LinkageError | RuntimeException e) { // no native library for this machine
            return "not here: " + e.getMessage();
        }
    }

    private static String gemm(Precision precision, Device device) {
        String inference = "inference " + Gemm.inferenceKernel(precision, device);
        return precision.isTrainable()
                ? inference + ", training "
                        + Gemm.trainingKernels(precision, device).stream()
                                .map(Enum::name)
                                .collect(Collectors.joining(" or "))
                : inference;
    }

    private static String version(@Nullable String version) {
        return Objects.requireNonNullElse(version, "unpackaged");
    }

    private static String property(String name) {
        return System.getProperty(name, "");
    }
}
