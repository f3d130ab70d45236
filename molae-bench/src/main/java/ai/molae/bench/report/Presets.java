package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Quartiles;
import ai.molae.bench.results.Result;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/** The standard layer beside MoLAE with one group, for every shape, in what most shapes were measured in. */
final class Presets {

    private final Map<Phase, Map<String, Pair>> pairs = new EnumMap<>(Phase.class);

    Presets(ReportData data) {
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

    /** The tiles at the top: published shapes only. */
    List<Block.Tile> tiles() {
        List<Block.Tile> tiles = new ArrayList<>();
        tile(
                tiles,
                "memory of the weights",
                "measured",
                shape -> inferenceRatio(shape, r -> r.metric(Metric.RETAINED_BYTES)));
        tile(
                tiles,
                "FLOPs of a token",
                "by the cost model",
                shape -> inferenceRatio(shape, Derived.FLOPS_PER_TOKEN::of));
        for (Phase phase : Phase.values()) {
            tile(tiles, "time of " + phase.title(), conditions(phase), shape -> timeRatio(shape, phase));
        }
        return tiles;
    }

    private void tile(List<Block.Tile> tiles, String name, String how, ToDoubleFunction<String> ratio) {
        double[] ratios = shapes().stream()
                .filter(shape -> !shape.equals("AWKWARD"))
                .mapToDouble(ratio)
                .filter(Double::isFinite)
                .sorted()
                .toArray();
        if (ratios.length > 0) {
            tiles.add(new Block.Tile(
                    Numbers.ratio(Quartiles.median(ratios)),
                    name,
                    how + "; " + Numbers.ratio(ratios[0]) + " to " + Numbers.ratio(ratios[ratios.length - 1]) + " over "
                            + ratios.length + (ratios.length == 1 ? " preset" : " presets")));
        }
    }
}
