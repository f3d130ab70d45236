package ai.molae.djl.hf;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.safetensors.SafetensorsWriter;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.djl.safetensors.TensorSpec;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.ArrayBytes;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Saves a model as a folder that {@link Checkpoint} and, unless its experts are factored, Hugging Face's library load:
 *
 * <pre>{@code
 * CheckpointSaver.of(model).optOriginal(checkpoint).save(folder);             // as it came
 * CheckpointSaver.of(molae).optMultipliedOut().optType(TensorType.BF16).save(folder);    // MoLAE as a standard MoE
 * }</pre>
 *
 * Every file is complete or absent: tensors are written beside their place and renamed when all are there, {@code config.json} last.
 */
public final class CheckpointSaver {

    /** The largest file of a sharded checkpoint, as Hugging Face's library has it by default: 5 GB. */
    public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

    private static final Pattern MOE_PARAMETER = Pattern.compile("layers\\.(\\d+)\\.mlp\\.(gate_up|up|down)");

    /** What belongs to a model besides its weights. */
    private static final List<String> COMPANIONS = List.of(
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "tokenizer.model",
            "tiktoken.model",
            "special_tokens_map.json",
            "added_tokens.json",
            "vocab.json",
            "merges.txt",
            "chat_template.json",
            "chat_template.jinja");

    private final CausalLm model;
    private Optional<CheckpointConfig> config = Optional.empty();
    private Optional<Path> original = Optional.empty();
    private TensorType originalType = TensorType.F32;
    private Optional<TensorType> type = Optional.empty();
    private long maxShardBytes = DEFAULT_SHARD_BYTES;
    private boolean multipliedOut;

    private CheckpointSaver(CausalLm model) {
        this.model = model;
    }

    /**
     * Prepares to save a model.
     *
     * @param model a model with float32 parameters
     * @return a saver with the defaults: a family that can express the model, float32
     * @throws IllegalStateException if the model is prepared for inference, not initialised, or has adapters
     */
    public static CheckpointSaver of(CausalLm model) {
        if (model.numAdapters() > 0) {
            throw new IllegalStateException(
                    "the model has " + model.numAdapters()
                            + " adapters (LoRA), for which a checkpoint has no place; mergeLora() or removeLora() before saving");
        }
        return ofBase(model);
    }

    /**
     * Prepares to save a model without the adapters that it may have.
     *
     * @param model a model with float32 parameters
     * @return a saver as of {@link #of}
     * @throws IllegalStateException if the model is prepared for inference or not initialised
     */
    public static CheckpointSaver ofBase(CausalLm model) {
        if (model.preparedPrecision().isPresent()) {
            throw new IllegalStateException("cannot save: this CausalLm was prepared for inference in "
                    + model.preparedPrecision().get() + "; save a model that was loaded to train");
        }
        if (!model.isInitialized()) {
            throw new IllegalStateException("the model is not initialised; initialise or load it before saving");
        }
        return new CheckpointSaver(model);
    }

    /**
     * Takes family, keys of {@code config.json} and element type from the checkpoint that the model came from, and copies its tokenizer and
     * generation settings.
     *
     * @param checkpoint where the model was loaded from
     * @return this saver
     */
    public CheckpointSaver optOriginal(Checkpoint checkpoint) {
        config = Optional.of(checkpoint.config());
        original = Optional.of(checkpoint.folder());
        originalType = typeOf(checkpoint);
        return this;
    }

    /**
     * Sets the element type of the tensors (default: that of the original, or float32). Biases that correct routing stay float32.
     *
     * @param type F32, BF16 or F16
     * @return this saver
     */
    public CheckpointSaver optType(TensorType type) {
        dtype(type);
        this.type = Optional.of(type);
        return this;
    }

    /**
     * Sets the most bytes of a file (default 5 GB).
     *
     * @param maxShardBytes the bytes; 0 for one file
     * @return this saver
     */
    public CheckpointSaver optMaxShardBytes(long maxShardBytes) {
        this.maxShardBytes = maxShardBytes;
        return this;
    }

    /**
     * Saves factored experts multiplied out, {@code W = A B}, as the standard MoE they are equal to.
     *
     * @return this saver
     */
    public CheckpointSaver optMultipliedOut() {
        multipliedOut = true;
        return this;
    }

    /**
     * Saves the model. With an original, its tokenizer and generation settings take the place of those in the folder.
     *
     * @param folder where; created if absent. A checkpoint that is there is replaced once the new one is complete
     * @return the config that was written
     * @throws IOException if writing fails; what was there before is then unharmed. If renaming the complete files fails, the folder has no config and
     *     is no checkpoint
     */
    public CheckpointConfig save(Path folder) throws IOException {
        TensorType tensorType = type.orElse(originalType);
        ModelSpec spec = multipliedOut ? model.spec().mapMoe(MoeSpec::withoutLatent) : model.spec();
        CheckpointConfig saved = config.map(original -> original.with(spec, dtype(tensorType)))
                .orElseGet(() -> CheckpointConfig.of(spec, dtype(tensorType)));
        List<TensorBinding> bindings = saved.family().bindings(spec);
        List<TensorSpec> tensors = new ArrayList<>();
        for (TensorBinding binding : bindings) {
            for (Piece piece : binding.pieces()) {
                boolean exact = saved.family().keepsFloat32(piece.tensor());
                tensors.add(new TensorSpec(piece.tensor(), exact ? TensorType.F32 : tensorType, piece.shape()));
            }
        }
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(folder, tensors, Map.of("format", "pt"), maxShardBytes)) {
            Map<String, Parameter> parameters = model.parametersByPath();
            for (TensorBinding binding : bindings) {
                for (Piece piece : binding.pieces()) {
                    write(writer, parameters, binding, piece);
                }
            }
            finish(writer, folder, saved);
        }
        return saved;
    }

    /** Puts everything in its place: what can fail first, then the tensors, then the config. */
    private void finish(SafetensorsWriter writer, Path folder, CheckpointConfig saved) throws IOException {
        try (StagedFiles files = new StagedFiles(folder, CheckpointConfig.FILE)) {
            boolean elsewhere = original.isPresent() && !Files.isSameFile(original.get(), folder);
            if (elsewhere) {
                for (Path companion : companions(original.get())) {
                    files.copy(companion);
                }
            }
            files.write(CheckpointConfig.FILE, saved.toJson());
            files.withdrawConfig();
            try {
                writer.finish();
            } catch (IOException | RuntimeException e) {
                files.restoreConfig();
                throw e;
            }
            if (elsewhere) {
                for (Path companion : companions(folder)) {
                    if (!files.has(companion.getFileName().toString())) {
                        Files.delete(companion);
                    }
                }
            }
            files.publish();
        }
    }

    /** Tokenizer files, chat templates and generation settings of a checkpoint. */
    static List<Path> companions(Path folder) {
        return COMPANIONS.stream()
                .map(folder::resolve)
                .filter(Files::isRegularFile)
                .toList();
    }

    private void write(SafetensorsWriter writer, Map<String, Parameter> parameters, TensorBinding binding, Piece piece)
            throws IOException {
        try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch");
                NoGrad noGrad = new NoGrad()) {
            Optional<NDArray> product = multiplied(scope, binding.parameter(), piece);
            if (product.isPresent()) {
                write(writer, piece, product.get(), 0);
            } else {
                NDArray array = Objects.requireNonNull(parameters.get(binding.parameter()))
                        .getArray();
                write(writer, piece, array, piece.firstElement());
            }
        }
    }

    /** Writes the elements of an array from one on. */
    private static void write(SafetensorsWriter writer, Piece piece, NDArray array, long first) throws IOException {
        ArrayBytes.forEachChunk(
                array, first, piece.size(), bytes -> writer.write(piece.tensor(), bytes.asFloatBuffer()));
    }

    /** The matrix of an expert whose layer is saved multiplied out. */
    private Optional<NDArray> multiplied(NDManager scope, String parameter, Piece piece) {
        Matcher name = MOE_PARAMETER.matcher(parameter);
        if (!multipliedOut || !name.matches()) {
            return Optional.empty();
        }
        if (!(model.layers().get(Integer.parseInt(name.group(1))).feedForward() instanceof MoeBlock block)
                || block.spec().latent().isEmpty()) {
            return Optional.empty();
        }
        List<ExpertOperator> operators =
                switch (name.group(2)) {
                    case "gate_up" -> List.of(ExpertOperator.GATE, ExpertOperator.UP);
                    case "up" -> List.of(ExpertOperator.UP);
                    default -> List.of(ExpertOperator.DOWN);
                };
        int index = Math.toIntExact(piece.firstElement() / piece.size());
        ExpertOperator operator = operators.get(index % operators.size());
        return Optional.of(ExpertMatrices.of(scope, block, index / operators.size(), operator));
    }

    /** What the config says, or else the type that most of the weights have. */
    static TensorType typeOf(Checkpoint checkpoint) {
        return switch (checkpoint.config().dtype().orElse("")) {
            case "bfloat16" -> TensorType.BF16;
            case "float16" -> TensorType.F16;
            case "" -> prevailing(checkpoint.tensors().tensors().values());
            default -> TensorType.F32;
        };
    }

    private static TensorType prevailing(Collection<TensorInfo> tensors) {
        Map<TensorType, Long> elements = new EnumMap<>(TensorType.class);
        tensors.forEach(tensor -> elements.merge(tensor.type(), tensor.elements(), Long::sum));
        return List.of(TensorType.BF16, TensorType.F16).stream()
                .filter(type -> elements.getOrDefault(type, 0L)
                        > elements.values().stream().mapToLong(Long::longValue).sum() / 2)
                .findFirst()
                .orElse(TensorType.F32);
    }

    static String dtype(TensorType type) {
        return switch (type) {
            case F32 -> "float32";
            case BF16 -> "bfloat16";
            case F16 -> "float16";
            default -> throw new IllegalArgumentException("a checkpoint is saved as F32, BF16 or F16, got " + type);
        };
    }
}
