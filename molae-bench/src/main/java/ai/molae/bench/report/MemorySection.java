package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Result;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.djl.chart.LineChart.Style;
import ai.molae.djl.chart.ScatterChart;
import ai.molae.djl.chart.ScatterChart.Form;
import ai.molae.djl.chart.Spot;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;

/** Memory of the weights by the number of experts and by the latent size: curves of the cost model, marks of results. */
final class MemorySection {

    private static final String ID = "memory";
    private static final String TITLE = "Memory against experts and latent size";
    private static final Set<Variant> CURVES =
            EnumSet.of(Variant.MOE, Variant.MOLAE, Variant.MOLAE_QUARTER, Variant.MOLAE_EIGHT, Variant.MOLAE_TIED);

    private final MoeSpec standard;
    private final ElementType type;
    private final List<Result> measured;

    private MemorySection(MoeSpec standard, ElementType type, List<Result> measured) {
        this.standard = standard;
        this.type = type;
        this.measured = measured;
    }

    static Section of(ReportData data) {
        String shape = data.mainShape();
        List<Result> layers = new ArrayList<>(data.layers(Phase.DECODE));
        if (layers.isEmpty()) {
            layers.addAll(data.layers(Phase.PREFILL));
        }
        List<Result> measured = ReportData.alike(
                layers.stream()
                        .filter(result -> result.param("shape").equals(shape)
                                && Double.isFinite(result.metric(Metric.RETAINED_BYTES)))
                        .toList(),
                result -> result,
                "variant",
                "variant");
        if (measured.isEmpty()) {
            return Section.without(ID, TITLE, "layers with their memory");
        }
        Optional<MoeSpec> standard = Costs.standard(measured.get(0));
        Optional<ElementType> type =
                Costs.constant(ElementType.class, measured.get(0).param("precision"));
        if (standard.isEmpty() || type.isEmpty()) {
            return Section.without(ID, TITLE, "a shape, scale and precision that this version knows");
        }
        return new MemorySection(standard.get(), type.get(), measured).section(Names.of(shape));
    }

    private Section section(String shape) {
        Table table = new Table(1, "layer", "experts", "latent size", "model", "measured", "measured ÷ model");
        for (Result result : measured) {
            Costs.constant(Variant.class, result.param("variant")).ifPresent(variant -> {
                MoeSpec spec = variant.of(standard);
                table.add(
                        Names.of(variant.name()),
                        String.valueOf(spec.numExperts()),
                        spec.latent().isPresent() ? String.valueOf(Variant.latentSize(standard)) : Table.UNKNOWN,
                        Numbers.bytes(result.metric(Metric.WEIGHT_BYTES)),
                        Numbers.bytes(result.metric(Metric.RETAINED_BYTES)),
                        Numbers.ratio(Derived.MEMORY_RATIO.of(result)));
            });
        }
        return new Section(
                ID,
                TITLE,
                List.of(
                        new Block.Paragraph(
                                "Lines are computed by the cost model for the layer of " + shape + " (hidden "
                                        + standard.hiddenSize() + ", expert width " + standard.intermediateSize() + ", "
                                        + standard.numExperts() + " experts, " + Names.of(type.name())
                                        + ") with another number of experts or another latent size. Marks are measured. "
                                        + UsageSection.RETAINED),
                        new Block.Charts(List.of(byExperts(), byLatentSize())),
                        table));
    }

    private String byExperts() {
        Set<Integer> experts = new TreeSet<>();
        for (int N = Math.max(standard.topK(), 4); N <= 4 * standard.numExperts() || N <= 64; N *= 2) {
            experts.add(N);
        }
        experts.add(standard.numExperts());
        ScatterChart chart = new ScatterChart("By the number of experts", "MiB", "experts", true, true);
        for (Variant variant : CURVES) {
            List<Spot> spots = new ArrayList<>();
            for (int N : experts) {
                mebibytes(() -> variant.of(standard.toBuilder().setNumExperts(N).build()))
                        .ifPresent(size -> spots.add(new Spot(N, size)));
            }
            chart.curve(Names.of(variant.name()), spots, Style.LINE, Names.variantColour(variant.name()));
        }
        return marks(chart, spec -> (double) spec.numExperts());
    }

    private String byLatentSize() {
        ScatterChart chart = new ScatterChart("By the latent size", "MiB", "latent size", true, true);
        int n = standard.hiddenSize();
        double dense = mebibytes(() -> standard).orElse(Double.NaN);
        chart.curve(
                "MoE, has none",
                List.of(new Spot(n / 16.0, dense), new Spot(n, dense)),
                Style.BOUND,
                Names.variantColour("MOE"));
        for (Variant variant : CURVES) {
            MoeSpec own = variant.of(standard);
            Optional<LatentSpec> latent = own.latent();
            List<Spot> spots = new ArrayList<>();
            for (int sixteenths = 1; sixteenths <= 16 && latent.isPresent(); sixteenths++) {
                int r = n * sixteenths / 16;
                LatentSpec other = LatentSpec.builder()
                        .setLatentSize(Math.max(1, r))
                        .setGroups(own.expertGroups())
                        .optTiedGateUp(latent.get().tiedGateUp())
                        .build();
                mebibytes(() -> standard.withLatent(other)).ifPresent(size -> spots.add(new Spot(r, size)));
            }
            chart.curve(Names.of(variant.name()), spots, Style.LINE, Names.variantColour(variant.name()));
        }
        return marks(chart, spec -> spec.latent().isPresent() ? (double) Variant.latentSize(standard) : Double.NaN);
    }

    private String marks(ScatterChart chart, Function<MoeSpec, Double> across) {
        boolean first = true;
        for (Result result : measured) {
            Optional<Variant> variant = Costs.constant(Variant.class, result.param("variant"));
            if (variant.isPresent() && CURVES.contains(variant.get())) {
                chart.marks(
                        first ? "measured" : "",
                        List.of(new Spot(
                                across.apply(variant.get().of(standard)),
                                Numbers.mebibytes(result.metric(Metric.RETAINED_BYTES)),
                                Names.of(variant.get().name()) + ", measured")),
                        Form.CIRCLE,
                        Names.variantColour(variant.get().name()));
                first = false;
            }
        }
        return chart.figure();
    }

    /** Empty for a layer that cannot be: router groups that do not divide the experts, more groups than experts. */
    private OptionalDouble mebibytes(Supplier<MoeSpec> spec) {
        try {
            return OptionalDouble.of(
                    Numbers.mebibytes((double) CostModel.layer(spec.get()).weightBytes(type)));
        } catch (IllegalArgumentException e) {
            return OptionalDouble.empty();
        }
    }
}
