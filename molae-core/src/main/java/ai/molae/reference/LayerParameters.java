package ai.molae.reference;

import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** The matrices of a layer, weights or gradients, as views of the flat arrays that {@link MoeSpec#parameters()} names. */
final class LayerParameters {

    private static final String CORRECTION_BIAS = "e_score_correction_bias";

    private final MoeSpec spec;
    private final Map<String, double[]> arrays;

    private LayerParameters(MoeSpec spec, Map<String, double[]> arrays) {
        this.spec = spec;
        this.arrays = arrays;
    }

    /** Holds the given arrays, without copying, if they are exactly those of the spec. */
    static LayerParameters of(MoeSpec spec, Map<String, double[]> arrays) {
        List<String> faults = new ArrayList<>();
        TreeSet<String> unexpected = new TreeSet<>(arrays.keySet());
        for (ParameterShape parameter : spec.parameters()) {
            double[] array = arrays.get(parameter.name());
            unexpected.remove(parameter.name());
            if (array == null) {
                faults.add("missing " + parameter.name() + " " + parameter.shape());
            } else if (array.length != parameter.size()) {
                faults.add(parameter.name() + " has " + array.length + " values, expected " + parameter.size() + " = "
                        + parameter.shape());
            }
        }
        unexpected.forEach(name -> faults.add("unexpected " + name));
        if (!faults.isEmpty()) {
            throw new IllegalArgumentException("parameters do not fit the spec: " + String.join("; ", faults));
        }
        return new LayerParameters(spec, Map.copyOf(arrays));
    }

    /** Zeros of the shape of every trained parameter. */
    static LayerParameters zeros(MoeSpec spec) {
        Map<String, double[]> arrays = new LinkedHashMap<>();
        for (ParameterShape parameter : spec.parameters()) {
            if (!parameter.name().equals(CORRECTION_BIAS)) {
                arrays.put(parameter.name(), new double[Math.toIntExact(parameter.size())]);
            }
        }
        return new LayerParameters(spec, arrays);
    }

    /** The arrays by name, in storage order if these are {@link #zeros}. */
    Map<String, double[]> arrays() {
        return Collections.unmodifiableMap(arrays);
    }

    /** {@code [N, n]}. */
    Matrix router() {
        return matrix("router", 0, spec.numExperts(), spec.hiddenSize());
    }

    /** {@code [N]}; empty if the router has none. */
    double[] correctionBias() {
        return spec.router().correctionBias() ? array(CORRECTION_BIAS) : new double[0];
    }

    /** The matrix that expert i has for itself: A^i of a factored operator, W^i of a dense one. */
    Matrix expert(ExpertOperator operator, int i) {
        int m = spec.intermediateSize();
        int width = spec.expertWidth(operator);
        if (operator == ExpertOperator.DOWN) {
            return matrix("down", i * width, width, m);
        }
        if (spec.fusedGateUp()) {
            return matrix("gate_up", i * 2 * m + (operator == ExpertOperator.UP ? m : 0), m, width);
        }
        return matrix(operator == ExpertOperator.GATE ? "gate" : "up", i * m, m, width);
    }

    /** The projection B^g that the experts of group g share in a factored operator. */
    Matrix projection(ExpertOperator operator, int g) {
        int n = spec.hiddenSize();
        int r = spec.expertWidth(operator);
        if (operator == ExpertOperator.DOWN) {
            return matrix("latent_out", g * n, n, r);
        }
        // rows of gate come first; up follows, unless it is tied to gate or gate is dense: either way it is the last r
        // rows
        int row = operator == ExpertOperator.UP ? spec.latentInSize() - r : 0;
        return matrix("latent_in", g * spec.latentInSize() + row, r, n);
    }

    /** An operator of the shared expert. */
    Matrix shared(ExpertOperator operator) {
        int n = spec.hiddenSize();
        int m = spec.sharedExpert().orElseThrow().intermediateSize();
        if (operator == ExpertOperator.DOWN) {
            return matrix("shared_down", 0, n, m);
        }
        if (!spec.gated()) {
            return matrix("shared_up", 0, m, n);
        }
        return matrix("shared_gate_up", operator == ExpertOperator.UP ? m : 0, m, n);
    }

    /** {@code [1, n]}, the sigmoid gate of the shared expert. */
    Matrix sharedGate() {
        return matrix("shared_gate", 0, 1, spec.hiddenSize());
    }

    private Matrix matrix(String name, int firstRow, int rows, int columns) {
        return new Matrix(array(name), firstRow * columns, rows, columns);
    }

    private double[] array(String name) {
        double[] array = arrays.get(name);
        if (array == null) {
            throw new IllegalStateException("the layer has no parameter " + name + ", only " + arrays.keySet());
        }
        return array;
    }
}
