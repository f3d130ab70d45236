package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Quartiles;
import ai.molae.bench.results.Result;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/** The standard layer beside MoLAE with one group, for every shape, in what most shapes were measured in. */
final class Presets {

    private final Map<Phase, Map<String, Pair>> pairs = new EnumMap<>(Phase.class);
    private final Disturbed disturbed;

    Presets(ReportData data) {
        disturbed = data.disturbed();
        for (Phase phase : Phase.values()) {
            List<Pair> all = Pair.of(data.layers(phase), "variant", "MOE", "MOLAE");
            if (phase == Phase.DECODE) {
                double fewest = all.stream()
                        .mapToDouble(pair -> ReportData.size(pair.base().param("tokens")))
                        .min()
                        .orElse(1);
                all = all.stream()
                        .filter(pair -> ReportData.size(pair.base().param("tokens")) == fewest)
                        .toList();
            }
            Map<String, Pair> byShape = new LinkedHashMap<>();
            ReportData.alike(all, Pair::base, "shape", "variant")
                    .forEach(pair -> byShape.put(pair.base().param("shape"), pair));
            pairs.put(phase, byShape);
        }
    }

    /** All shapes of which there is a pair. */
    Set<String> shapes() {
        Set<String> shapes = new LinkedHashSet<>();
        pairs.values().forEach(byShape -> shapes.addAll(byShape.keySet()));
        return shapes;
    }

    Map<String, Pair> of(Phase phase) {
        return pairs.getOrDefault(phase, Map.of());
    }

    /** The pair whose memory is least mixed with that of inputs: with fewest tokens. */
    List<Pair> inference(String shape) {
        List<Pair> found = new ArrayList<>();
        for (Phase phase : List.of(Phase.DECODE, Phase.PREFILL)) {
            Pair pair = of(phase).get(shape);
            if (pair != null) {
                found.add(pair);
            }
        }
        return found;
    }

    /** A ratio of memory or FLOPs per token, MoE to MoLAE; NaN if it is not known. */
    double inferenceRatio(String shape, ToDoubleFunction<Result> value) {
        return inference(shape).stream()
                .mapToDouble(pair -> pair.ratio(value))
                .filter(Double::isFinite)
                .findFirst()
                .orElse(Double.NaN);
    }

    double timeRatio(String shape, Phase phase) {
        Pair pair = of(phase).get(shape);
        return pair == null ? Double.NaN : pair.time();
    }

    /** What the pairs of a phase have in common, for people. */
    String conditions(Phase phase) {
        return of(phase).values().stream()
                .findFirst()
                .map(pair -> Names.values(pair.base(), "precision", "tokens"))
                .orElse("");
    }

    /** The shapes that the tiles are of: published ones. */
    List<String> published() {
        return shapes().stream().filter(shape -> !shape.equals("AWKWARD")).toList();
    }

    /** The tiles at the top. Memory and FLOPs do not depend on a time, so nothing disturbed is left out there. */
    List<Block.Tile> tiles() {
        List<Block.Tile> tiles = new ArrayList<>();
        tile("memory of the weights", "measured", shape -> inferenceRatio(shape, r -> r.metric(Metric.RETAINED_BYTES)))
                .ifPresent(tiles::add);
        tile("FLOPs of a token", "by the cost model", shape -> inferenceRatio(shape, Derived.FLOPS_PER_TOKEN::of))
                .ifPresent(tiles::add);
        for (Phase phase : Phase.values()) {
            time(phase).ifPresent(tiles::add);
        }
        return tiles;
    }

    private Optional<Block.Tile> tile(String name, String how, ToDoubleFunction<String> ratio) {
        Map<String, Double> ratios = ratios(ratio);
        return ratios.isEmpty()
                ? Optional.empty()
                : Optional.of(new Block.Tile(median(ratios), name, how + "; " + range(ratios)));
    }

    private Optional<Block.Tile> time(Phase phase) {
        Map<String, Double> ratios = ratios(shape -> timeRatio(shape, phase));
        if (ratios.isEmpty()) {
            return Optional.empty();
        }
        int all = ratios.size();
        ratios.keySet().removeIf(shape -> {
            Pair pair = of(phase).get(shape);
            return pair != null && disturbed.is(pair);
        });
        int leftOut = all - ratios.size();
        String detail = conditions(phase) + "; "
                + (ratios.isEmpty()
                        ? "over none of " + published().size() + " presets"
                        : range(ratios) + "; MoLAE slower in "
                                + ratios.values().stream()
                                        .filter(ratio -> ratio < 1)
                                        .count())
                + (leftOut == 0 ? "" : "; " + leftOut + " left out, disturbed");
        return Optional.of(new Block.Tile(median(ratios), "time of " + phase.title(), detail));
    }

    /** What is known of the published shapes. */
    private Map<String, Double> ratios(ToDoubleFunction<String> ratio) {
        Map<String, Double> ratios = new LinkedHashMap<>();
        published().forEach(shape -> {
            double value = ratio.applyAsDouble(shape);
            if (Double.isFinite(value)) {
                ratios.put(shape, value);
            }
        });
        return ratios;
    }

    private static String median(Map<String, Double> ratios) {
        return Numbers.ratio(Quartiles.of(ratios.values()).median());
    }

    /** From where to where, and over which shapes: their names unless they are all. */
    private String range(Map<String, Double> ratios) {
        int all = published().size();
        String range = Numbers.ratio(Collections.min(ratios.values())) + " to "
                + Numbers.ratio(Collections.max(ratios.values()));
        return ratios.size() == all
                ? range + " over " + (all == 1 ? "1 preset" : "all " + all + " presets")
                : range + " over only " + ratios.size() + " of " + all + " presets: "
                        + ratios.keySet().stream().map(Names::of).collect(Collectors.joining(", "));
    }
}
