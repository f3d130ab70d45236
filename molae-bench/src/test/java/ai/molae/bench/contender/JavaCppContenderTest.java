package ai.molae.bench.contender;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Runs {@link JavaCppRun} in a process of its own, because this one may have DJL's libtorch. */
@DisabledOnOs(value = OS.LINUX, architectures = "aarch64") // JavaCPP has no PyTorch for it
class JavaCppContenderTest {

    private static List<String> lines;

    @BeforeAll
    static void run() throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx512m",
                        "-XX:TieredStopAtLevel=1",
                        "--add-opens=java.base/java.lang=ALL-UNNAMED",
                        "-Dmolae.cache=" + System.getProperty("molae.cache", "target/molae-cache"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        JavaCppRun.class.getName())
                .redirectErrorStream(true)
                .start();
        lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertThat(process.waitFor()).as(() -> String.join("\n", lines)).isZero();
    }

    @Test
    void computesTheSameLayerInEveryShapeAndVariant() {
        assertThat(errors("FLOAT32")).hasSizeGreaterThan(80).allSatisfy(error -> assertThat(error)
                .isLessThan(1e-5));
    }

    @Test
    void bfloat16RoundsProductsAndNothingElse() {
        assertThat(errors("BFLOAT16")).hasSize(9).allSatisfy(error -> assertThat(error)
                .isBetween(1e-4, 3e-2));
    }

    @Test
    void whatItCannotDoItRefuses() {
        assertThat(values("refusal")).singleElement().asString().contains("FLOAT32 or BFLOAT16", "not in INT8");
    }

    @Test
    void aThousandCallsLeaveNothing() {
        assertThat(Long.parseLong(values("left").get(0))).isLessThan(5_000_000);
    }

    @Test
    void leavesDjlsEngineAlone() {
        assertThat(values("djl")).containsExactly("false");
    }

    private static List<Double> errors(String precision) {
        return values("error " + precision).stream()
                .map(line -> Double.valueOf(line.split(" ")[0]))
                .toList();
    }

    /** What follows a key on the lines that begin with it. */
    private static List<String> values(String key) {
        return lines.stream()
                .filter(line -> line.startsWith(key + " "))
                .map(line -> line.substring(key.length() + 1))
                .toList();
    }
}
