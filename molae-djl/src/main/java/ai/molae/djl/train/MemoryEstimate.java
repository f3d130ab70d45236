package ai.molae.djl.train;

import ai.djl.Device;
import ai.djl.nn.Parameter;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.cost.StepBytes;
import ai.molae.cost.StepSettings;
import ai.molae.cost.StepTrait;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ModelSpec;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.Set;

/**
 * What a training step on a {@link ai.molae.djl.torch.GradientTape} will hold where it holds most, estimated before the first one:
 *
 * <pre>{@code
 * MemoryEstimate estimate = MemoryEstimate.of(model, batch, sequence, 8);
 * MemoryEstimate.available(model.device()).ifPresent(estimate::check);
 * }</pre>
 *
 * The figures are of native memory, in bytes, from the model's sizes ({@link ModelCost#stepBytes}); the Java heap is not among them. Measured
 * peaks of models of 90 to 870 MB on a CPU were 0.84 to 1.07 times the estimate, but for the first bfloat16 model of a process, which took up to 85
 * MB more (1.25 and 1.38 times). Experts that got more than twice the average of
 * the tokens, and the workspaces of a GPU's libraries, come on top. A model of which only adapters or some layers train needs less, because
 * activations of frozen weights count as if these trained.
 *
 * @param spec the model
 * @param settings how it is trained
 * @param bytes what that needs, by purpose
 * @param loaded whether the weights are in memory already
 */
public record MemoryEstimate(ModelSpec spec, StepSettings settings, StepBytes bytes, boolean loaded) {

    private static final double SMALL_STATE = 2;

    /**
     * Of a model as it is: its precision, what is frozen, its adapters and its recomputation.
     *
     * @param model an initialised or loaded model
     * @param batch sequences of one pass
     * @param sequence tokens in each
     * @param optimizerBytesPerParameter bytes of optimizer state per trained parameter: 8 for AdamW, 4 for one float32 moment, 2 for two of 8
     *     bits, 0 for SGD
     * @return the estimate
     * @throws IllegalArgumentException if a number is out of range
     */
    public static MemoryEstimate of(CausalLm model, long batch, long sequence, double optimizerBytesPerParameter) {
        Device device = model.device();
        Set<StepTrait> traits = traits(model.precision(), device, batch * sequence);
        long trained = 0;
        for (Parameter parameter : model.getParameters().values()) {
            trained += parameter.requiresGradient() ? parameter.getShape().size() : 0;
        }
        if (model.layers().stream()
                .anyMatch(layer -> layer.feedForward() instanceof MoeBlock moe && moe.numAdapters() > 0)) {
            traits.add(StepTrait.EXPERTS_BY_AUTOGRAD);
        }
        return of(
                model.spec(),
                new StepSettings(
                        elementType(model.precision()),
                        batch,
                        sequence,
                        model.recompute(),
                        optimizerBytesPerParameter,
                        trained,
                        traits),
                true);
    }

    /** Of a step of a trainer. */
    static MemoryEstimate of(CausalLm model, TrainingData data, TrainingConfig config, boolean teacher) {
        MemoryEstimate estimate = of(
                model,
                config.batchSize(),
                data.sequenceLength(),
                config.optimizer().stateBytesPerParameter());
        if (data.inOrder(0, 1).documents().length > 0) {
            estimate = estimate.withPadding();
        }
        return teacher ? estimate.withTeacher() : estimate;
    }

    /**
     * Of a model that is not there yet, on the CPU.
     *
     * @param spec the model
     * @param precision the arithmetic of the products
     * @param trainedShare how much of the parameters is trained, from 0 to 1
     * @param batch sequences of one pass
     * @param sequence tokens in each
     * @param layersPerSegment layers that are recomputed together, 0 for none
     * @param optimizerBytesPerParameter bytes of optimizer state per trained parameter
     * @return the estimate
     * @throws IllegalArgumentException if a number is out of range or layers do not train in the precision
     */
    public static MemoryEstimate of(
            ModelSpec spec,
            Precision precision,
            double trainedShare,
            long batch,
            long sequence,
            int layersPerSegment,
            double optimizerBytesPerParameter) {
        if (!(trainedShare >= 0 && trainedShare <= 1)) {
            throw new IllegalArgumentException("trainedShare must be between 0 and 1, got " + trainedShare);
        }
        precision.checkTrainable();
        long trained = Math.round(trainedShare * CostModel.model(spec).trainableParameters());
        Set<StepTrait> traits = traits(precision, Device.cpu(), batch * sequence);
        return of(
                spec,
                new StepSettings(
                        elementType(precision),
                        batch,
                        sequence,
                        layersPerSegment,
                        optimizerBytesPerParameter,
                        trained,
                        traits),
                false);
    }

    private static MemoryEstimate of(ModelSpec spec, StepSettings settings, boolean loaded) {
        return new MemoryEstimate(spec, settings, CostModel.model(spec).stepBytes(settings), loaded);
    }

    private static Set<StepTrait> traits(Precision precision, Device device, long rows) {
        Set<StepTrait> traits = EnumSet.noneOf(StepTrait.class);
        if (Gemm.copiesProducts(precision, device, rows)) {
            traits.add(StepTrait.COPIED_PRODUCTS);
        }
        return traits;
    }

    private static ElementType elementType(Precision precision) {
        return precision == Precision.FLOAT32 ? ElementType.FLOAT32 : ElementType.BFLOAT16;
    }

    /**
     * For batches that come with a mask of padding, which attention keeps in every layer.
     *
     * @return the estimate
     */
    public MemoryEstimate withPadding() {
        return withTrait(StepTrait.PADDED);
    }

    /**
     * For a loss that compares the logits with those of a teacher. The teacher's weights are not among the figures; what it needs besides, it
     * needs before the step holds most.
     *
     * @return the estimate
     */
    public MemoryEstimate withTeacher() {
        return withTrait(StepTrait.TEACHER);
    }

    private MemoryEstimate withTrait(StepTrait trait) {
        Set<StepTrait> traits = EnumSet.of(trait);
        traits.addAll(settings.traits());
        return with(settings.withTraits(traits));
    }

    /**
     * Of the same model trained in another way.
     *
     * @param other the settings
     * @return the estimate
     */
    public MemoryEstimate with(StepSettings other) {
        return of(spec, other, loaded);
    }

    /**
     * What is needed beyond what is in memory already.
     *
     * @return bytes: all of them, or without the weights if these are loaded
     */
    public double needed() {
        return bytes.total() - (loaded ? bytes.weights() : 0);
    }

    /**
     * Memory that a process may still take on a device: on Linux what the system calls available, or what the process's control group leaves,
     * whichever is less; on a GPU what CUDA calls free; elsewhere what the system calls free. Pages that {@code malloc} holds and nobody uses are
     * returned to the system first.
     *
     * @param device a CPU or a GPU
     * @return bytes, or empty where nobody tells
     */
    public static OptionalLong available(Device device) {
        return AvailableMemory.of(device);
    }

    /**
     * Refuses what does not fit.
     *
     * @param available bytes that are there, see {@link #available}
     * @throws NotEnoughMemoryException if {@link #needed()} is more; the message has what is needed by purpose, what is there, and what each of
     *     the changes that save memory would need
     */
    public void check(long available) {
        if (needed() <= available) {
            return;
        }
        StringBuilder message = new StringBuilder("a training step of batch ")
                .append(settings.batch())
                .append(" and sequence ")
                .append(settings.sequence())
                .append(" needs about ")
                .append(size(needed()))
                .append(", and ")
                .append(size((double) available))
                .append(" are there: ")
                .append(this)
                .append(". What would help:");
        for (Change change : changes()) {
            double then = with(change.settings).needed();
            message.append("\n  ")
                    .append(change.text)
                    .append(": ")
                    .append(size(then))
                    .append(then <= available ? ", which fits" : "");
        }
        throw new NotEnoughMemoryException(message.toString());
    }

    /** One thing to do about it. */
    private record Change(String text, StepSettings settings) {}

    private List<Change> changes() {
        List<Change> changes = new ArrayList<>();
        StepSettings all = settings;
        if (settings.batch() > 1) {
            long half = settings.batch() / 2;
            all = all.withBatch(half);
            changes.add(
                    new Change("batch " + half + ", and twice the gradient accumulation", settings.withBatch(half)));
        }
        if (settings.layersPerSegment() != 1) {
            all = all.withLayersPerSegment(1);
            changes.add(new Change("recomputing every layer, model.setRecompute(1)", settings.withLayersPerSegment(1)));
        }
        if (settings.products() == ElementType.FLOAT32) {
            all = all.withProducts(ElementType.BFLOAT16);
            changes.add(new Change("bfloat16 products", settings.withProducts(ElementType.BFLOAT16)));
        }
        if (settings.optimizerBytesPerParameter() > SMALL_STATE) {
            all = all.withOptimizerBytesPerParameter(SMALL_STATE);
            changes.add(new Change(
                    "an optimizer with 2 bytes of state per parameter in the place of "
                            + settings.optimizerBytesPerParameter(),
                    settings.withOptimizerBytesPerParameter(SMALL_STATE)));
        }
        if (changes.size() > 1) {
            changes.add(new Change("all of these", all));
        }
        changes.add(new Change(
                "besides, a single sequence of half the length",
                all.withBatch(1).withSequence(Math.max(1, settings.sequence() / 2))));
        return changes;
    }

    /** The bytes by purpose. */
    @Override
    public String toString() {
        return "weights " + size(bytes.weights()) + (loaded ? " (loaded already)" : "") + ", gradients "
                + size(bytes.gradients()) + ", optimizer " + size(bytes.optimizer()) + ", activations "
                + size(bytes.activations()) + ", logits " + size(bytes.logits()) + ", temporary "
                + size(bytes.temporary());
    }

    private static String size(double bytes) {
        return bytes >= 1e9
                ? String.format(Locale.ROOT, "%.2f GB", bytes / 1e9)
                : String.format(Locale.ROOT, "%.1f MB", bytes / 1e6);
    }
}
