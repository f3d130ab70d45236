package ai.molae.bench.layer;

import ai.molae.bench.workload.LayerCase;
import ai.molae.reference.ReferenceMoe;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import ai.molae.spec.RouterSpec;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The experts of a case in float64, each as a {@link ReferenceMoe} of itself alone, made when it is needed: the whole layer would fill gigabytes.
 *
 * <pre>
 *   y = Σ_i p_i E_i(x) + shared(x)        dx = Σ_i p_i E_i'(x) + shared'(x),  dp_i = Σ E_i(x)     for dy = 1
 * </pre>
 */
final class ReferenceExperts {

    private final LayerCase layer;
    private final MoeSpec spec;

    ReferenceExperts(LayerCase layer) {
        this.layer = layer;
        spec = layer.spec();
    }

    /** y of a token, whose K experts have these weights. */
    double[] output(double[] x, int[] expertsK, double[] weightsK) {
        double[] y = new double[x.length];
        for (int slot = 0; slot < expertsK.length; slot++) {
            add(
                    weightsK[slot],
                    expert(expertsK[slot]).forward(new double[][] {x}).y()[0],
                    y);
        }
        if (spec.sharedExpert().isPresent()) {
            add(1, shared().forward(new double[][] {x}).y()[0], y);
        }
        return y;
    }

    /** The gradient of Σ y by a token through its experts, the routing held fast; fills in that by its routing weights. */
    double[] gradient(double[] x, int[] expertsK, double[] weightsK, double[] gradWeightsK) {
        double[] ones = new double[x.length];
        Arrays.fill(ones, 1);
        double[] gradX = new double[x.length];
        for (int slot = 0; slot < expertsK.length; slot++) {
            ReferenceMoe expert = expert(expertsK[slot]);
            gradWeightsK[slot] =
                    Arrays.stream(expert.forward(new double[][] {x}).y()[0]).sum();
            add(weightsK[slot], gradient(expert, x, ones), gradX);
        }
        if (spec.sharedExpert().isPresent()) {
            add(1, gradient(shared(), x, ones), gradX);
        }
        return gradX;
    }

    private static double[] gradient(ReferenceMoe expert, double[] x, double[] gradY) {
        return expert.backward(new double[][] {x}, new double[][] {gradY}, 0).x()[0];
    }

    private static void add(double a, double[] x, double[] y) {
        for (int i = 0; i < y.length; i++) {
            y[i] += a * x[i];
        }
    }

    /** A layer of one expert of the case, which its router gives the weight 1. */
    private ReferenceMoe expert(int i) {
        Optional<LatentSpec> latent = spec.latent()
                .map(l ->
                        new LatentSpec(l.latentSizes(), l.tiedGateUp(), 1, Optional.of(new ExpertGroups(List.of(0)))));
        MoeSpec one = new MoeSpec(
                spec.hiddenSize(),
                spec.intermediateSize(),
                1,
                1,
                spec.activation(),
                spec.gated(),
                RouterSpec.builder().build(),
                latent,
                Optional.empty());
        int group = spec.latent().isPresent() ? spec.expertGroups().groupOf(i) : 0;
        return reference(one, "", name -> name.startsWith("latent_") ? group : i);
    }

    /** A layer of the shared expert, with a routed one of zeros. */
    private ReferenceMoe shared() {
        MoeSpec none = new MoeSpec(
                spec.hiddenSize(),
                1,
                1,
                1,
                spec.activation(),
                spec.gated(),
                RouterSpec.builder().build(),
                Optional.empty(),
                spec.sharedExpert());
        return reference(none, "shared_", name -> 0);
    }

    /** Where a parameter of the small layer begins in the case's. */
    private interface FirstSlice {
        int of(String parameter);
    }

    private ReferenceMoe reference(MoeSpec small, String prefix, FirstSlice first) {
        Map<String, double[]> values = new LinkedHashMap<>();
        for (ParameterShape parameter : small.parameters()) {
            String name = parameter.name();
            double[] numbers = new double[Math.toIntExact(parameter.size())];
            if (name.startsWith(prefix) && !name.equals("router")) {
                int at = 0;
                for (int i = 0; i < parameter.shape().get(0); i++) {
                    for (float number : layer.slice(whole(name), first.of(name) + i)) {
                        numbers[at++] = number;
                    }
                }
            }
            values.put(name, numbers);
        }
        return new ReferenceMoe(small, values);
    }

    private ParameterShape whole(String name) {
        return spec.parameters().stream()
                .filter(parameter -> parameter.name().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
