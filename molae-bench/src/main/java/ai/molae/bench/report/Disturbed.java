package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Quartiles;
import ai.molae.bench.results.Result;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * Which times are not to be trusted, because something else used the machine: those whose own iterations differ too much, and those in whose process the machine
 * itself was slower than in the others of the run.
 */
public final class Disturbed {

    /** A spread above this share of the median is too wide. */
    static final double SPREAD = 0.1;

    /** Ceilings may be below the run's median by this share. */
    static final double BELOW = 0.25;

    /** Stands behind a time that was disturbed. */
    static final String MARK = " †";

    private static final Map<Metric, String> CEILINGS = Map.of(
            Metric.PEAK_FLOPS, "products",
            Metric.BANDWIDTH, "reading");

    private final Map<Metric, Map<String, Double>> medians = new LinkedHashMap<>();

    /** Judges by the results of a run: the medians of their ceilings, by precision, without implementations that disturb their own. */
    Disturbed(List<Result> results) {
        for (Metric ceiling : List.of(Metric.PEAK_FLOPS, Metric.BANDWIDTH)) {
            Map<String, List<Double>> values = new LinkedHashMap<>();
            results.stream()
                    .filter(result -> !result.hasOwnLibrary() && result.metric(ceiling) > 0)
                    .forEach(result -> values.computeIfAbsent(result.param("precision"), key -> new ArrayList<>())
                            .add(result.metric(ceiling)));
            Map<String, Double> byPrecision = new LinkedHashMap<>();
            values.forEach((precision, all) ->
                    byPrecision.put(precision, Quartiles.of(all).median()));
            medians.put(ceiling, byPrecision);
        }
    }

    /**
     * Judges by the results of a run.
     *
     * @param results all of them
     * @return how badly one of them was disturbed: above 1 it is not to be trusted
     */
    public static ToDoubleFunction<Result> among(List<Result> results) {
        return new Disturbed(results)::degree;
    }

    boolean is(Result result) {
        return !reasons(result).isEmpty();
    }

    /** The worst of spread and missing shares of ceilings, each as a multiple of what is tolerated; 0 of what was not measured. */
    private double degree(Result result) {
        double degree = orNone(result.quartiles().spread() / SPREAD);
        for (Metric ceiling : medians.keySet()) {
            degree = Math.max(degree, orNone((1 - ceilingShare(result, ceiling)) / BELOW));
        }
        return degree;
    }

    private static double orNone(double value) {
        return Double.isNaN(value) ? 0 : value;
    }

    /** Of the run's median; NaN where there is none, or where the result's own library disturbs it. */
    private double ceilingShare(Result result, Metric ceiling) {
        double median = medians.getOrDefault(ceiling, Map.of()).getOrDefault(result.param("precision"), Double.NaN);
        return result.hasOwnLibrary() ? Double.NaN : result.metric(ceiling) / median;
    }

    /** Whether one of two is. */
    boolean is(Pair pair) {
        return is(pair.base()) || is(pair.other());
    }

    /** Why a result is not to be trusted, each a few words; empty for one that is. */
    List<String> reasons(Result result) {
        List<String> reasons = new ArrayList<>();
        if (result.quartiles().spread() > SPREAD) {
            reasons.add("spread " + Numbers.spread(result.quartiles()));
        }
        medians.keySet().forEach(ceiling -> {
            double share = ceilingShare(result, ceiling);
            if (share < 1 - BELOW) {
                reasons.add(String.format(
                        Locale.ROOT,
                        "%s at %.0f %% of the run's median",
                        CEILINGS.getOrDefault(ceiling, ceiling.key()),
                        100 * share));
            }
        });
        return reasons;
    }

    /** The time of a result for a table, with a mark if it was disturbed. */
    String milliseconds(Result result) {
        return Numbers.number(result.milliseconds()) + (is(result) ? MARK : "");
    }
}
