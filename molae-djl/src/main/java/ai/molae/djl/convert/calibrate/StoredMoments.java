package ai.molae.djl.convert.calibrate;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.safetensors.SafetensorsException;
import ai.molae.djl.safetensors.SafetensorsFile;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.djl.safetensors.TensorSpec;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/** The moments of a layer in a file, which is opened for each of them. Safe for concurrent use. */
final class StoredMoments implements LayerMoments {

    private final Path path;
    private final MoeSpec spec;
    private final ExpertStatistics statistics;

    private StoredMoments(Path path, MoeSpec spec, ExpertStatistics statistics) {
        this.path = path;
        this.spec = spec;
        this.statistics = statistics;
    }

    /**
     * Opens a file.
     *
     * @param path the file
     * @param spec the layer
     * @param settings what the file must have
     * @param tokens T
     * @return its moments
     * @throws IOException if it cannot be read, or has something else
     */
    static StoredMoments open(Path path, MoeSpec spec, MomentSettings settings, long tokens) throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            List<TensorSpec> wanted = LayerFile.tensors(spec, settings);
            List<TensorSpec> found =
                    file.tensors().values().stream().map(TensorInfo::spec).toList();
            if (!found.equals(wanted)) {
                throw new SafetensorsException(
                        path, "it has the tensors " + found + ", a layer like this has " + wanted);
            }
            int experts = spec.numExperts();
            long[][] coActivation = new long[experts][];
            for (int i = 0; i < experts; i++) {
                coActivation[i] = longs(file, LayerFile.CO_ACTIVATION, i * experts, experts);
            }
            return new StoredMoments(
                    path,
                    spec,
                    new ExpertStatistics(
                            tokens,
                            longs(file, LayerFile.COUNTS, 0, experts),
                            doubles(file, 0, experts),
                            doubles(file, 1, experts),
                            doubles(file, 2, experts),
                            doubles(file, 3, experts),
                            coActivation));
        }
    }

    private static ByteBuffer bytes(SafetensorsFile file, String name, long first, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        file.read(Objects.requireNonNull(file.tensors().get(name)), first * Long.BYTES, bytes);
        return bytes.flip();
    }

    private static long[] longs(SafetensorsFile file, String name, int first, int count) throws IOException {
        long[] values = new long[count];
        bytes(file, name, first, count).asLongBuffer().get(values);
        return values;
    }

    private static double[] doubles(SafetensorsFile file, int statistic, int count) throws IOException {
        double[] values = new double[count];
        bytes(file, LayerFile.STATISTICS.get(statistic), 0, count)
                .asDoubleBuffer()
                .get(values);
        return values;
    }

    @Override
    public MoeSpec spec() {
        return spec;
    }

    @Override
    public ExpertStatistics statistics() {
        return statistics;
    }

    @Override
    public NDArray input(NDManager manager) {
        long n = spec.hiddenSize();
        return read(manager, LayerFile.INPUT, 0, new Shape(n, n)).orElseThrow();
    }

    @Override
    public Optional<NDArray> input(NDManager manager, int expert) {
        Objects.checkIndex(expert, spec.numExperts());
        long n = spec.hiddenSize();
        return read(manager, LayerFile.EXPERT_INPUT, expert, new Shape(n, n));
    }

    @Override
    public Optional<NDArray> inner(NDManager manager, ExpertOperator operator, int expert) {
        Objects.checkIndex(expert, spec.numExperts());
        return read(manager, LayerFile.inner(operator), expert, new Shape());
    }

    /** An element of a stack, or a matrix if that is its whole shape. */
    private Optional<NDArray> read(NDManager manager, String name, int index, Shape matrix) {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            TensorInfo tensor = file.tensors().get(name);
            if (tensor == null) {
                return Optional.empty();
            }
            Shape whole = new Shape(tensor.shape());
            Shape shape = whole.equals(matrix) ? matrix : whole.slice(1);
            return Optional.of(read(manager, file, tensor, index * shape.size(), shape));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static NDArray read(NDManager manager, SafetensorsFile file, TensorInfo tensor, long first, Shape shape)
            throws IOException {
        int most = (int) Math.min(WeightSource.CHUNK_BYTES / Double.BYTES, shape.size());
        ByteBuffer buffer = ByteBuffer.allocateDirect(most * Double.BYTES).order(ByteOrder.nativeOrder());
        NDArray array = manager.create(shape, DataType.FLOAT64);
        try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            for (long done = 0; done < shape.size(); done += most) {
                int count = (int) Math.min(most, shape.size() - done);
                buffer.clear().limit(count * Double.BYTES);
                file.read(tensor, (first + done) * Double.BYTES, buffer);
                buffer.flip();
                try (NDArray values = scope.create(
                        buffer.slice().order(ByteOrder.nativeOrder()), new Shape(count), DataType.FLOAT64)) {
                    WeightSource.assign(values, array, done);
                }
            }
            return array;
        } catch (IOException | RuntimeException e) {
            array.close();
            throw e;
        }
    }
}
