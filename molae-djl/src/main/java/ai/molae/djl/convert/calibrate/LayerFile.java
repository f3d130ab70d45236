package ai.molae.djl.convert.calibrate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.calibrate.CalibrationIndex.Entry;
import ai.molae.djl.safetensors.SafetensorsWriter;
import ai.molae.djl.safetensors.TensorSpec;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.ArrayBytes;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32C;

/** The moments of a layer as a safetensors file, float64 and int64, written expert by expert. */
final class LayerFile {

    static final String COUNTS = "counts";
    static final String CO_ACTIVATION = "co_activation";
    /** In the order of {@link #statistics}. */
    static final List<String> STATISTICS = List.of("gate_mass", "soft_mass", "output_norm", "weighted_output_norm");

    static final String INPUT = "input";
    static final String EXPERT_INPUT = "expert_input";

    private static final int BUFFER_BYTES = 1 << 20;

    private LayerFile() {}

    static String name(int layer) {
        return String.format(Locale.ROOT, "layer-%05d.safetensors", layer);
    }

    static String inner(ExpertOperator operator) {
        return "inner_" + operator.name().toLowerCase(Locale.ROOT);
    }

    /** What a file has. */
    static List<TensorSpec> tensors(MoeSpec spec, MomentSettings settings) {
        long n = spec.hiddenSize();
        long m = spec.intermediateSize();
        long experts = spec.numExperts();
        List<TensorSpec> tensors = new ArrayList<>();
        tensors.add(TensorSpec.of(COUNTS, TensorType.I64, experts));
        tensors.add(TensorSpec.of(CO_ACTIVATION, TensorType.I64, experts, experts));
        STATISTICS.forEach(name -> tensors.add(TensorSpec.of(name, TensorType.F64, experts)));
        tensors.add(TensorSpec.of(INPUT, TensorType.F64, n, n));
        if (settings.expertInputs()) {
            tensors.add(TensorSpec.of(EXPERT_INPUT, TensorType.F64, experts, n, n));
        }
        for (ExpertOperator operator : spec.operators()) {
            if (operator == ExpertOperator.DOWN || settings.inner() == InnerMoments.FULL) {
                tensors.add(TensorSpec.of(inner(operator), TensorType.F64, experts, m, m));
            } else if (settings.inner() == InnerMoments.DIAGONAL) {
                tensors.add(TensorSpec.of(inner(operator), TensorType.F64, experts, m));
            }
        }
        return tensors;
    }

    /**
     * Writes a file.
     *
     * @param folder where
     * @param layer the layer's number
     * @param settings which moments
     * @param moments the moments
     * @return what the index says of it
     * @throws IOException if writing fails; there may be a folder then that is to be removed
     */
    static Entry write(Path folder, int layer, MomentSettings settings, LayerMoments moments) throws IOException {
        MoeSpec spec = moments.spec();
        Path part = folder.resolve(name(layer) + ".part");
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(part, tensors(spec, settings), Map.of("format", "pt"), 0)) {
            ExpertStatistics statistics = moments.statistics();
            writer.writeRaw(COUNTS, bytes(statistics.counts()));
            for (long[] row : statistics.coActivation()) {
                writer.writeRaw(CO_ACTIVATION, bytes(row));
            }
            List<double[]> values = statistics(statistics);
            for (int i = 0; i < values.size(); i++) {
                writer.writeRaw(STATISTICS.get(i), bytes(values.get(i)));
            }
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                write(writer, INPUT, moments.input(manager));
            }
            for (int e = 0; settings.expertInputs() && e < spec.numExperts(); e++) {
                try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                    write(writer, EXPERT_INPUT, moments.input(manager, e).orElseThrow());
                }
            }
            for (ExpertOperator operator : spec.operators()) {
                boolean collected = operator == ExpertOperator.DOWN || settings.inner() != InnerMoments.NONE;
                for (int e = 0; collected && e < spec.numExperts(); e++) {
                    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                        write(
                                writer,
                                inner(operator),
                                moments.inner(manager, operator, e).orElseThrow());
                    }
                }
            }
            writer.finish();
        }
        Path file = folder.resolve(name(layer));
        Files.move(part.resolve("model.safetensors"), file, StandardCopyOption.ATOMIC_MOVE);
        Files.delete(part);
        return new Entry(name(layer), Files.size(file), checksum(file), spec);
    }

    private static List<double[]> statistics(ExpertStatistics statistics) {
        return List.of(
                statistics.gateMass(), statistics.softMass(), statistics.outputNorm(), statistics.weightedOutputNorm());
    }

    private static void write(SafetensorsWriter writer, String name, NDArray array) throws IOException {
        ArrayBytes.forEachChunk(array, 0, array.size(), bytes -> writer.writeRaw(name, bytes));
    }

    private static ByteBuffer bytes(long[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asLongBuffer().put(values);
        return bytes;
    }

    private static ByteBuffer bytes(double[] values) {
        return bytes(
                Arrays.stream(values).mapToLong(Double::doubleToRawLongBits).toArray());
    }

    /** CRC-32C of a file. */
    static long checksum(Path file) throws IOException {
        CRC32C checksum = new CRC32C();
        byte[] buffer = new byte[BUFFER_BYTES];
        try (InputStream in = Files.newInputStream(file)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                checksum.update(buffer, 0, count);
            }
        }
        return checksum.getValue();
    }
}
