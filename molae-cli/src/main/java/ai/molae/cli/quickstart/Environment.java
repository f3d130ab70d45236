package ai.molae.cli.quickstart;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;

/** What a figure depends on beside the flags. */
final class Environment {

    private Environment() {}

    static Map<String, Object> facts() {
        Engine engine = Engine.getEngine("PyTorch");
        Map<String, Object> facts = new LinkedHashMap<>();
        String version = Environment.class.getPackage().getImplementationVersion();
        facts.put("molae", version == null ? "not packaged" : version);
        facts.put("date", LocalDate.now(ZoneId.systemDefault()).toString());
        facts.put("java", System.getProperty("java.vm.name") + " " + System.getProperty("java.version"));
        facts.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        facts.put("djl", Engine.getDjlVersion());
        facts.put("pytorch", engine.getVersion());
        facts.put("device", Device.fromName("", engine).toString());
        facts.put("cpu", cpu());
        facts.put("threads", JniUtils.getNumThreads());
        return facts;
    }

    private static String cpu() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("model name"))
                    .findFirst()
                    .map(line -> line.substring(line.indexOf(':') + 1).trim())
                    .orElse("unknown");
        } catch (IOException e) {
            return "unknown";
        }
    }
}
