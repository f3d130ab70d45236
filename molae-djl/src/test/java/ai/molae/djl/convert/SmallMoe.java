package ai.molae.djl.convert;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.Calibrator;
import ai.molae.djl.convert.calibrate.MomentSettings;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Checkpoints of small models with random weights, to be converted. */
final class SmallMoe {

    static final int VOCAB = 32;

    /** Eight experts, 12 × 16. */
    static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(16)
            .setIntermediateSize(12)
            .setNumExperts(8)
            .setTopK(2)
            .build();

    static final int[][] TOKENS = {{3, 1, 4, 1, 5, 9, 2, 6}, {5, 3, 5, 8, 9, 7, 9, 31}};

    private SmallMoe() {}

    /** Changes parameters before they are saved. */
    @FunctionalInterface
    interface Change {
        void apply(String parameter, Shape shape, float[] values);
    }

    /** A MoE layer, a dense one, and a MoE layer. */
    static ModelSpec spec(MoeSpec moe) {
        return spec(moe, VOCAB);
    }

    static ModelSpec spec(MoeSpec moe, int vocabulary) {
        return ModelSpec.builder()
                .setVocabSize(vocabulary)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(1, moe)
                .addLayers(1, DenseSpec.swiglu(moe.hiddenSize(), 10))
                .addLayers(1, moe)
                .optMaxPositionEmbeddings(64)
                .build();
    }

    static Path save(Path folder, long seed) throws IOException {
        return save(spec(MOE), folder, seed, (parameter, shape, values) -> {});
    }

    /** Normal numbers of standard deviation 0.3; around 1 for the weights of norms. */
    static Path save(ModelSpec spec, Path folder, long seed, Change change) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.builder().setSpec(spec).build();
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
            Random random = new Random(seed);
            new TreeMap<>(model.parametersByPath()).forEach((path, parameter) -> {
                float mean = parameter.getType() == Parameter.Type.GAMMA ? 1 : 0;
                float[] values = new float
                        [Math.toIntExact(parameter.getArray().getShape().size())];
                for (int i = 0; i < values.length; i++) {
                    values[i] = mean + 0.3f * (float) random.nextGaussian();
                }
                change.apply(path, parameter.getArray().getShape(), values);
                parameter.getArray().set(values);
            });
            CheckpointSaver.of(model).save(folder);
            return folder;
        }
    }

    /** Gives the matrices of each group a common space of a dimension: rows of gate and up, columns of down. */
    static Change planted(ExpertGroups groups, int dimension, long seed) {
        Random random = new Random(seed);
        return (parameter, shape, values) -> {
            boolean down = parameter.endsWith(".mlp.down") && shape.dimension() == 3;
            boolean upper =
                    (parameter.endsWith(".mlp.gate_up") || parameter.endsWith(".mlp.up")) && shape.dimension() == 3;
            if (!down && !upper) {
                return;
            }
            int rows = (int) shape.get(1);
            int columns = (int) shape.get(2);
            int n = down ? rows : columns;
            int parts = parameter.endsWith("gate_up") ? 2 : 1;
            float[][] spaces = new float[groups.numGroups() * parts][];
            for (int g = 0; g < spaces.length; g++) {
                spaces[g] = normal(random, dimension * n, 1);
            }
            for (int expert = 0; expert < groups.numExperts(); expert++) {
                float[] own = normal(random, rows * columns / n * dimension, 0.1f);
                for (int i = 0; i < rows; i++) {
                    for (int j = 0; j < columns; j++) {
                        int shared = down ? i : j;
                        int inner = down ? j : i;
                        int part = parts == 2 ? i / (rows / 2) : 0;
                        float[] space = spaces[groups.groupOf(expert) * parts + part];
                        double sum = 0;
                        for (int d = 0; d < dimension; d++) {
                            sum += (double) own[inner * dimension + d] * space[d * n + shared];
                        }
                        values[(expert * rows + i) * columns + j] = (float) sum;
                    }
                }
            }
        };
    }

    private static float[] normal(Random random, int count, float scale) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = scale * (float) random.nextGaussian();
        }
        return values;
    }

    /** Sets one element of an expert's matrix. */
    static Change broken(int layer, ExpertOperator operator, int expert, float value) {
        String name = "layers." + layer + ".mlp." + (operator == ExpertOperator.DOWN ? "down" : "gate_up");
        return (parameter, shape, values) -> {
            if (parameter.equals(name)) {
                int size = (int) (shape.get(1) * shape.get(2));
                values[expert * size + (operator == ExpertOperator.UP ? size - 3 : 3)] = value;
            }
        };
    }

    static List<int[]> windows(int count, int length, long seed) {
        Random random = new Random(seed);
        List<int[]> windows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            windows.add(random.ints(length, 0, VOCAB).toArray());
        }
        return windows;
    }

    static Calibration calibrate(Path source, Path target, List<int[]> windows, MomentSettings settings)
            throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            return Calibrator.builder()
                    .setCheckpoint(checkpoint)
                    .setWindows(windows)
                    .setTarget(target)
                    .optSettings(settings)
                    .build()
                    .calibrate();
        }
    }

    /** The same latent size for all operators. */
    static RankPolicy rank(int r) {
        Map<ExpertOperator, Integer> sizes = new EnumMap<>(ExpertOperator.class);
        for (ExpertOperator operator : ExpertOperator.values()) {
            sizes.put(operator, r);
        }
        return new RankPolicy.Fixed(sizes);
    }

    static ConversionMethod.Builder method(RankPolicy ranks, int groupSize) {
        return ConversionMethod.builder().setRanks(ranks).optGroups(GroupPolicy.contiguous(groupSize));
    }

    static Converter.Builder converter(Path source, Path target, ConversionMethod method) {
        return Converter.builder()
                .setSource(source)
                .setTarget(target)
                .setMethod(method)
                .optThreads(1);
    }

    /** The routed experts of a layer, multiplied out: of each operator, all matrices one behind the other. */
    static Map<ExpertOperator, float[]> experts(Path folder, int layer) throws IOException {
        Map<ExpertOperator, float[]> all = new EnumMap<>(ExpertOperator.class);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            CausalLm model = checkpoint.load(manager, Precision.FLOAT32);
            MoeBlock block = (MoeBlock) model.layers().get(layer).feedForward();
            int matrix = block.spec().intermediateSize() * block.spec().hiddenSize();
            for (ExpertOperator operator : block.spec().operators()) {
                float[] values = new float[block.spec().numExperts() * matrix];
                for (int expert = 0; expert < block.spec().numExperts(); expert++) {
                    System.arraycopy(
                            ExpertMatrices.of(manager, block, expert, operator).toFloatArray(),
                            0,
                            values,
                            expert * matrix,
                            matrix);
                }
                all.put(operator, values);
            }
        }
        return all;
    }

    /** {@code Σ x²} */
    static double energy(float[] x) {
        double sum = 0;
        for (float value : x) {
            sum += (double) value * value;
        }
        return sum;
    }

    /** {@code Σ (x − y)²} */
    static double error(float[] x, float[] y) {
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            sum += ((double) x[i] - y[i]) * ((double) x[i] - y[i]);
        }
        return sum;
    }

    /** All files of a folder, by name, in hexadecimal digits. */
    static Map<String, String> bytes(Path folder) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                all.put(file.getFileName().toString(), HexFormat.of().formatHex(Files.readAllBytes(file)));
            }
        }
        return all;
    }
}
