package ai.molae.cli.plan;

import ai.molae.cli.table.Unit;
import ai.molae.cost.ActivationPolicy;
import ai.molae.cost.LayerPart;
import ai.molae.cost.ModelPart;
import ai.molae.cost.Prediction;
import ai.molae.cost.Roofline;
import ai.molae.cost.ScalingLaw;
import ai.molae.cost.TrainingBytes;
import ai.molae.cost.TrainingRun;
import ai.molae.cost.UniformRouting;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;

/** Counts every row of one comparison. */
final class Rows {

    static final String TOTAL = "total";
    static final String ACTIVE = "active per token";
    static final String PARAMETERS = "Parameters";
    static final String FLOPS = "FLOPs per token";
    static final String FORWARD = "forward";
    private static final String TRAINING_MEMORY = "Training memory";
    private static final String DECODING = "Decoding step";
    private static final String ROUTING = "Uniform routing";
    private static final String TIME_FLOOR = "Time floor";

    private final Comparison comparison;
    private final Settings settings;
    private final List<Row> rows = new ArrayList<>();

    Rows(Comparison comparison, Settings settings) {
        this.comparison = comparison;
        this.settings = settings;
    }

    List<Row> all() {
        parameters();
        flops();
        weightMemory();
        if (settings.precision().trainable()) {
            trainingMemory();
        }
        decoding();
        traffic();
        routing();
        latentSize();
        settings.machine().ifPresent(this::timeFloors);
        settings.trainTokens().ifPresent(this::scalingLaw);
        return List.copyOf(rows);
    }

    /** What a table over several models shows of each. */
    List<Row> overview() {
        count(PARAMETERS, TOTAL, Side::parameters);
        expected(PARAMETERS, ACTIVE, Unit.COUNT, Side::activeParameters);
        expected(FLOPS, FORWARD, Unit.FLOP, side -> side.forwardFlops(settings.context()));
        bytes("Memory", "weights", side -> side.weightBytes(settings.precision()));
        expected(DECODING, "bytes read", Unit.BYTE, side -> side.decodeBytes(settings));
        return List.copyOf(rows);
    }

    private void parameters() {
        count(PARAMETERS, TOTAL, Side::parameters);
        expected(PARAMETERS, ACTIVE, Unit.COUNT, Side::activeParameters);
        count(PARAMETERS, "routed experts", Side::routedParameters);
        count(PARAMETERS, "  gate", side -> side.parameters(LayerPart.GATE));
        count(PARAMETERS, "  up", side -> side.parameters(LayerPart.UP));
        count(PARAMETERS, "  down", side -> side.parameters(LayerPart.DOWN));
        molae(PARAMETERS, "  of these shared projections", comparison.molae().projectionParameters());
        count(PARAMETERS, "router", side -> side.parameters(LayerPart.ROUTER));
        count(PARAMETERS, "shared experts", side -> side.parameters(LayerPart.SHARED));
        count(PARAMETERS, "attention", side -> side.parameters(ModelPart.ATTENTION));
        count(PARAMETERS, "dense feed-forward", side -> side.parameters(ModelPart.DENSE_FEED_FORWARD));
        count(PARAMETERS, "norms", side -> side.parameters(ModelPart.NORMS));
        count(PARAMETERS, "embedding", side -> side.parameters(ModelPart.EMBEDDING));
        count(PARAMETERS, "head", side -> side.parameters(ModelPart.HEAD));
    }

    private void flops() {
        long context = settings.context();
        flops(FORWARD, side -> side.forwardFlops(context));
        flops("  routed experts", Side::routedFlops);
        flops("    gate", side -> side.forwardFlops(LayerPart.GATE));
        flops("    up", side -> side.forwardFlops(LayerPart.UP));
        flops("    down", side -> side.forwardFlops(LayerPart.DOWN));
        flops("  router", side -> side.forwardFlops(LayerPart.ROUTER));
        flops("  shared experts", side -> side.forwardFlops(LayerPart.SHARED));
        flops("  attention", side -> side.forwardFlops(ModelPart.ATTENTION, context));
        flops("  dense feed-forward", side -> side.forwardFlops(ModelPart.DENSE_FEED_FORWARD, context));
        flops("  head", side -> side.forwardFlops(ModelPart.HEAD, context));
        // A model's training token attends half the context on average, so these are not 2 and 3 times the rows above.
        flops("backward while training", side -> side.trainingFlops(context) * 2 / 3);
        flops("training", side -> side.trainingFlops(context));
    }

    private void weightMemory() {
        bytes(
                settings.precision().trainable() ? TRAINING_MEMORY : "Memory",
                "weights",
                side -> side.weightBytes(settings.precision()));
    }

    private void trainingMemory() {
        bytes(TRAINING_MEMORY, "gradients", side -> gathered(side).gradients());
        bytes(TRAINING_MEMORY, "AdamW state", side -> gathered(side).optimizer());
        activations("activations", ActivationPolicy.KEEP_GATHERED);
        expected(TRAINING_MEMORY, "sum of these", Unit.BYTE, side -> gathered(side)
                .total());
        activations("activations without gathered copies", ActivationPolicy.KEEP_DISTINCT);
        activations("activations with recomputation", ActivationPolicy.RECOMPUTE);
    }

    private void activations(String name, ActivationPolicy policy) {
        expected(TRAINING_MEMORY, name, Unit.BYTE, side -> side.trainingBytes(settings, policy)
                .activations());
    }

    private TrainingBytes gathered(Side side) {
        return side.trainingBytes(settings, ActivationPolicy.KEEP_GATHERED);
    }

    private void decoding() {
        expected(DECODING, "weights read", Unit.BYTE, side -> side.decodeWeightBytes(settings));
        expected(DECODING, "key/value cache read", Unit.BYTE, side -> side.cacheBytes(settings));
        expected(DECODING, "bytes read", Unit.BYTE, side -> side.decodeBytes(settings));
        bytes(DECODING, "key/value cache per position", side -> side.cacheBytesPerToken(settings.precision()));
    }

    private void traffic() {
        String section = "Expert-parallel elements per token";
        count(section, "to the experts", Side::dispatched);
        count(section, "back", Side::combined);
        count(section, "both ways", side -> Math.addExact(side.dispatched(), side.combined()));
    }

    private void routing() {
        Side molae = comparison.molae();
        int topK = molae.spec().topK();
        int experts = molae.spec().numExperts();
        expected(
                ROUTING,
                "distinct experts of a decoding batch",
                Unit.COUNT,
                side -> UniformRouting.distinctExperts(experts, topK, settings.batch()));
        molae(ROUTING, "groups", (long) molae.spec().expertGroups().numGroups());
        molae(ROUTING, "distinct groups of a token", Row.exact(molae.expectedDistinctGroups()));
        molae(
                ROUTING,
                "distinct groups of a decoding batch",
                Row.exact(UniformRouting.distinctGroups(molae.spec().expertGroups(), topK, settings.batch())));
    }

    private void latentSize() {
        Side molae = comparison.molae();
        molae("Latent size", "r", (long) molae.latentSize());
        molae("Latent size", "break-even in parameters", Row.exact(molae.breakEvenForParameters()));
        molae("Latent size", "break-even in FLOPs", Row.exact(molae.breakEvenForFlops()));
    }

    private void timeFloors(Roofline machine) {
        if (settings.precision().trainable()) {
            expected(
                    TIME_FLOOR,
                    "training step",
                    Unit.SECOND,
                    side -> machine.seconds(trainingFlops(side), gathered(side).total()));
        }
        expected(
                TIME_FLOOR,
                "decoding step",
                Unit.SECOND,
                side -> machine.seconds(decodeFlops(side), side.decodeBytes(settings)));
    }

    private double trainingFlops(Side side) {
        return settings.tokens() * side.trainingFlops(settings.context());
    }

    private double decodeFlops(Side side) {
        return settings.batch() * side.forwardFlops(settings.context());
    }

    /** Which ceiling holds each step; one sentence each. */
    List<String> bounds() {
        List<String> list = new ArrayList<>();
        settings.machine().ifPresent(machine -> {
            if (settings.precision().trainable()) {
                list.add(bound("training step", machine, this::trainingFlops, side -> gathered(side)
                        .total()));
            }
            list.add(bound("decoding step", machine, this::decodeFlops, side -> side.decodeBytes(settings)));
        });
        return list;
    }

    private String bound(
            String step, Roofline machine, ToDoubleFunction<Side> flops, ToDoubleFunction<Side> bytesMoved) {
        Side moe = comparison.moe();
        Side molae = comparison.molae();
        return "The " + step + " is held by "
                + ceiling(machine.bound(flops.applyAsDouble(moe), bytesMoved.applyAsDouble(moe))) + " as MoE and by "
                + ceiling(machine.bound(flops.applyAsDouble(molae), bytesMoved.applyAsDouble(molae))) + " as MoLAE.";
    }

    private static String ceiling(Roofline.Bound bound) {
        return switch (bound) {
            case COMPUTE -> "arithmetic";
            case MEMORY -> "memory bandwidth";
        };
    }

    private void scalingLaw(double trainTokens) {
        expected("Scaling law", "predicted loss", Unit.NAT, side -> predict(side, trainTokens)
                .map(Prediction::loss)
                .orElseThrow());
    }

    /** The law speaks of whole models only. */
    static Optional<Prediction> predict(Side side, double trainTokens) {
        return side.model().map(cost -> ScalingLaw.predict(TrainingRun.of(cost.spec(), trainTokens)));
    }

    private void flops(String name, ToDoubleFunction<Side> quantity) {
        expected(FLOPS, name, Unit.FLOP, quantity);
    }

    private void count(String section, String name, ToLongFunction<Side> quantity) {
        add(
                section,
                name,
                Unit.COUNT,
                quantity.applyAsLong(comparison.moe()),
                quantity.applyAsLong(comparison.molae()));
    }

    private void bytes(String section, String name, ToLongFunction<Side> quantity) {
        add(section, name, Unit.BYTE, quantity.applyAsLong(comparison.moe()), quantity.applyAsLong(comparison.molae()));
    }

    private void expected(String section, String name, Unit unit, ToDoubleFunction<Side> quantity) {
        add(
                section,
                name,
                unit,
                Row.exact(quantity.applyAsDouble(comparison.moe())),
                Row.exact(quantity.applyAsDouble(comparison.molae())));
    }

    /** Parts that neither side has get no row. */
    private void add(String section, String name, Unit unit, Number moe, Number molae) {
        if (moe.doubleValue() != 0 || molae.doubleValue() != 0) {
            rows.add(new Row(comparison.name(), section, name, unit, Optional.of(moe), molae));
        }
    }

    private void molae(String section, String name, Number molae) {
        rows.add(new Row(comparison.name(), section, name, Unit.COUNT, Optional.empty(), molae));
    }
}
