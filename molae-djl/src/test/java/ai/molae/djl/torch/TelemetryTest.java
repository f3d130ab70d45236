package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.Converter;
import ai.molae.djl.convert.Healing;
import ai.molae.djl.convert.calibrate.Calibrator;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.hf.Checkpoint;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.junit.jupiter.api.Test;

/** What DJL reads about telling of its starts, in fresh processes: here other tests have started the engine long ago. */
class TelemetryTest {

    /** Every class that starts the engine or DJL's tokenizers before it has used another one of these. */
    private static final List<Class<?>> FIRST = List.of(
            PreparableBlock.class,
            TorchOps.class,
            Gemm.class,
            PeakFlops.class,
            GradientTape.class,
            ArrayBytes.class,
            TorchArguments.class,
            MachineCeilings.class,
            Checkpoint.class,
            HfTokenizer.class,
            Converter.class,
            Healing.class,
            Calibrator.class);

    /** Notes what others ask for. */
    private static final class Noted extends Properties {
        private static final long serialVersionUID = 1;

        Noted(Properties properties) {
            putAll(properties);
        }

        @Override
        public String getProperty(String key) {
            String value = super.getProperty(key);
            if (key.equals(Telemetry.OPT_OUT)) {
                for (StackTraceElement frame : new Throwable().getStackTrace()) {
                    if (frame.getClassName().equals("ai.djl.util.Ec2Utils")) {
                        System.out.println("DJL reads " + value);
                    }
                }
            }
            return value;
        }
    }

    /** Starts the engine after a class of molae. */
    static final class Start {
        public static void main(String[] args) {
            System.setProperties(new Noted(System.getProperties()));
            new TorchOps(TorchOps.class);
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                System.out.println("started " + manager.getEngine().getEngineName());
            }
        }
    }

    /** Uses every class, each as if it were the first, and starts nothing. */
    static final class Each {
        public static void main(String[] args) throws ClassNotFoundException {
            for (Class<?> first : FIRST) {
                System.clearProperty(Telemetry.OPT_OUT);
                try {
                    Class.forName(first.getName(), true, Each.class.getClassLoader());
                } catch (ExceptionInInitializerError e) {
                    System.out.println(e);
                }
                System.out.println(first.getSimpleName() + " " + System.getProperty(Telemetry.OPT_OUT));
            }
        }
    }

    /** Prints the property after molae has had a look at it. */
    static final class Choice {
        public static void main(String[] args) {
            Telemetry.optOut();
            System.out.println("property " + System.getProperty(Telemetry.OPT_OUT));
        }
    }

    private static String run(Class<?> main, Map<String, String> environment, String... options) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1");
        builder.command().addAll(List.of(options));
        builder.command().addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        builder.environment().remove(Telemetry.OPT_OUT);
        builder.environment().remove("DJL_OFFLINE");
        builder.environment().putAll(environment);
        Process process = builder.redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }

    @Test
    void djlIsToldBeforeItsEngineStarts() throws Exception {
        assertThat(run(Start.class, Map.of()))
                .contains("DJL reads true", "started PyTorch")
                .doesNotContain("DJL reads null");
    }

    @Test
    void everyClassThatMayBeTheFirstOptsOut() throws Exception {
        List<String> lines = run(Each.class, Map.of()).lines().toList();
        assertThat(lines)
                .containsAll(FIRST.stream()
                        .map(first -> first.getSimpleName() + " true")
                        .toList());
    }

    @Test
    void theUsersOwnChoiceStays() throws Exception {
        assertThat(run(Choice.class, Map.of())).contains("property true");
        assertThat(run(Choice.class, Map.of(), "-DOPT_OUT_TRACKING=false")).contains("property false");
        assertThat(run(Choice.class, Map.of(Telemetry.OPT_OUT, "false"))).contains("property null");
    }
}
