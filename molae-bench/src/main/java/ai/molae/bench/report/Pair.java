package ai.molae.bench.report;

import ai.molae.bench.results.Result;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;

/**
 * Two results of one benchmark that differ in one parameter only.
 *
 * @param base for example the standard layer
 * @param other for example the latent one
 */
record Pair(Result base, Result other) {

    /** All pairs in which a parameter has these two values. */
    static List<Pair> of(List<Result> results, String param, String base, String other) {
        Map<Map<String, String>, Result> others = new LinkedHashMap<>();
        results.stream()
                .filter(result -> result.param(param).equals(other))
                .forEach(result -> others.put(key(result, param), result));
        List<Pair> pairs = new ArrayList<>();
        for (Result result : results) {
            Result partner = others.get(key(result, param));
            if (partner != null && result.param(param).equals(base)) {
                pairs.add(new Pair(result, partner));
            }
        }
        return pairs;
    }

    /** What a result must agree in with those it is compared with. */
    static Map<String, String> key(Result result, String... without) {
        Map<String, String> key = new TreeMap<>(result.params());
        for (String name : without) {
            key.remove(name);
        }
        key.put("", result.benchmark());
        return key;
    }

    double ratio(ToDoubleFunction<Result> value) {
        double ratio = value.applyAsDouble(base) / value.applyAsDouble(other);
        return Double.isFinite(ratio) ? ratio : Double.NaN;
    }

    double time() {
        return ratio(Result::milliseconds);
    }
}
