package ai.molae.bench.report;

import ai.molae.bench.results.Result;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.spec.MoeSpec;
import java.util.EnumSet;
import java.util.Optional;

/** What the cost model says of a result's layer, from its parameters, where this version knows their values. */
final class Costs {

    private Costs() {}

    /** A constant by its name; empty if there is none. */
    static <E extends Enum<E>> Optional<E> constant(Class<E> of, String name) {
        return EnumSet.allOf(of).stream()
                .filter(constant -> constant.name().equals(name))
                .findFirst();
    }

    /** The standard layer of a result's shape and scale. */
    static Optional<MoeSpec> standard(Result result) {
        return constant(Shape.class, result.param("shape"))
                .flatMap(shape -> constant(Scale.class, result.param("scale")).map(shape::standard));
    }

    /** Bytes of weights that a call with one token reads in the result's precision, whatever the result's own tokens are; NaN if the layer is not known. */
    static double readBytesOfOneToken(Result result) {
        return standard(result)
                .flatMap(standard -> constant(Variant.class, result.param("variant"))
                        .flatMap(variant -> constant(ElementType.class, result.param("precision"))
                                .map(type ->
                                        CostModel.layer(variant.of(standard)).decodeBytes(type, 1))))
                .orElse(Double.NaN);
    }
}
