package ai.molae.djl.faults;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.OutOfNativeMemoryException;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import com.sun.jna.Library;
import com.sun.jna.Native;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * A process that may take little more address space than it has ({@code RLIMIT_AS}, what {@code ulimit -v} sets): every kind of work is tried
 * with more and more room until it succeeds, so that it fails at one allocation after the other. Each time there is an exception, and
 * afterwards a small layer computes the same bits as before.
 */
class LimitedMemoryTest {

    @TempDir
    private Path folder;

    @Test
    @EnabledOnOs(OS.LINUX)
    void whereverAnAllocationFailsThereIsAnExceptionAndTheProcessGoesOn() throws Exception {
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        // The JVM takes all its own memory now: it does not survive a refusal itself.
                        "-Xint",
                        "-XX:+UseSerialGC",
                        "-Xms96m",
                        "-Xmx96m",
                        "-Dai.djl.offline=true",
                        "-Dmolae.malloc=system",
                        "-Dmolae.cache=" + System.getProperty("molae.cache", "target/molae-cache"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        LimitedMemoryTest.class.getName(),
                        folder.toString())
                .redirectErrorStream(true);
        // Arrays are mapped and unmapped one by one, so that what was freed does not serve the next attempt.
        builder.environment().put("MALLOC_MMAP_THRESHOLD_", "65536");
        builder.environment().put("MALLOC_ARENA_MAX", "1");
        builder.environment().put("OMP_NUM_THREADS", "1");
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        List<String> works =
                output.lines().filter(line -> line.contains(" refused, ")).toList();
        assertThat(works).as(output).hasSize(WORKS);
        assertThat(works).as(output).allMatch(line -> Integer.parseInt(line.split(" ")[1]) >= 3);
        assertThat(output).contains("all done").doesNotContain("WRONG");
    }

    private static final int WORKS = 6;

    /** The C library's, by its numbers on Linux. */
    public interface Limits extends Library {
        /** {@code RLIMIT_AS}. */
        int ADDRESS_SPACE = 9;

        /** Reads soft and hard limit. */
        int getrlimit(int resource, long[] limits);

        /** Sets soft and hard limit. */
        int setrlimit(int resource, long[] limits);
    }

    private static final Limits LIBC = Native.load("c", Limits.class);

    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(64)
            .setIntermediateSize(256)
            .setNumExperts(4)
            .setTopK(2)
            .build();

    private static final MoeSpec MOLAE = MOE.withLatent(
            LatentSpec.builder().setLatentSize(32).setGroupSize(2).build());

    private static final ModelSpec MODEL = ModelSpec.builder()
            .setVocabSize(2000)
            .setAttention(new GroupedQueryAttentionSpec(4, 2, 16, 100, true, QkNorm.NONE))
            .addLayers(1, MOE)
            .addLayers(1, MOLAE)
            .optMaxPositionEmbeddings(1024)
            .build();

    /**
     * The process under test.
     *
     * @param args an empty folder
     * @throws IOException if it cannot be written
     */
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]).resolve("model");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.builder().setSpec(MODEL).build();
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
            CheckpointSaver.of(model).save(folder);
            MoeBlock moe = block(manager, MOE);
            MoeBlock molae = block(manager, MOLAE);
            MoeBlock packed = block(manager, MOLAE);
            packed.prepareForInference(Precision.INT8);

            NDArray x = tokens(manager);
            Map<String, Runnable> works = new LinkedHashMap<>();
            works.put("initialise", () -> {
                try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
                    block(scope, MOE);
                }
            });
            works.put("infer", () -> infer(moe, x));
            works.put("infer-packed", () -> infer(packed, x));
            works.put("train", () -> train(molae, x));
            works.put("generate", () -> {
                int[] prompt = new int[600];
                Arrays.setAll(prompt, i -> i);
                Generator.builder().setModel(model).build().generate(prompt, Sampling.greedy(2));
            });
            works.put("load", () -> load(folder));
            for (Map.Entry<String, Runnable> work : works.entrySet()) {
                tryWithMoreAndMore(work.getKey(), work.getValue());
            }
            System.out.println("all done");
        }
    }

    private static MoeBlock block(NDManager manager, MoeSpec spec) {
        MoeBlock block = new MoeBlock(spec);
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 64));
        return block;
    }

    /** Made before the limit is set: what a caller makes of itself DJL refuses in its own words. */
    private static NDArray tokens(NDManager manager) {
        return manager.arange(3000 * 64f).sin().reshape(3000, 64);
    }

    /** The same array for a manager that is closed with what is made of it. */
    private static NDArray seenBy(NDManager scope, NDArray x) {
        NDArray view = x.reshape(x.getShape());
        view.attach(scope);
        return view;
    }

    private static void infer(MoeBlock block, NDArray x) {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            block.forward(new ParameterStore(scope, false), new NDList(seenBy(scope, x)), false);
        }
    }

    private static void train(MoeBlock block, NDArray x) {
        try (NDManager scope = NDManager.newBaseManager("PyTorch");
                GradientTape tape = new GradientTape()) {
            NDList out = block.forward(new ParameterStore(scope, false), new NDList(seenBy(scope, x)), true);
            tape.backward(out.head().sum());
        }
    }

    private static void load(Path folder) {
        try (NDManager scope = NDManager.newBaseManager("PyTorch");
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            checkpoint.load(scope, Precision.FLOAT32);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void tryWithMoreAndMore(String name, Runnable work) throws IOException {
        work.run(); // what is made once is there now
        float[] before = TinyBlocks.MOLAE.output(small());
        List<Long> refusals = new ArrayList<>();
        long room = 128 << 10;
        while (!succeeds(name, work, room, refusals)) {
            if (!Arrays.equals(before, TinyBlocks.MOLAE.output(small()))) {
                System.out.println(name + " WRONG afterwards");
            }
            room += room / 4;
        }
        System.out.println(name + " " + refusals.size() + " refused, of "
                + refusals.stream().distinct().count() + " sizes, succeeds with " + (room >> 20) + " MB");
    }

    private static final NDManager LASTING = NDManager.newBaseManager("PyTorch");

    private static MoeBlock small() {
        return (MoeBlock) TinyBlocks.MOLAE.block(LASTING.newSubManager());
    }

    private static boolean succeeds(String name, Runnable work, long room, List<Long> refusals) throws IOException {
        long[] limits = new long[2];
        LIBC.getrlimit(Limits.ADDRESS_SPACE, limits);
        long pages =
                Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[0]);
        LIBC.setrlimit(Limits.ADDRESS_SPACE, new long[] {pages * 4096 + room, limits[1]});
        Throwable thrown = null;
        try {
            work.run();
        } catch (RuntimeException | Error e) {
            thrown = e;
        } finally {
            LIBC.setrlimit(Limits.ADDRESS_SPACE, limits);
        }
        if (thrown instanceof OutOfNativeMemoryException refused) {
            refusals.add(refused.bytes().orElse(0));
        } else if (thrown instanceof OutOfMemoryError
                && String.valueOf(thrown.getMessage()).contains(" bytes")) {
            refusals.add(-1L); // the JVM's own word for a buffer outside of its heap
        } else if (thrown != null) {
            System.out.println(name + " WRONG with " + room + ": " + thrown);
            thrown.printStackTrace(System.out);
            refusals.add(0L);
        }
        return thrown == null;
    }
}
