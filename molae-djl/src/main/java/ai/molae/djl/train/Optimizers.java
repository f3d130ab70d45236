package ai.molae.djl.train;

import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.molae.djl.lm.CausalLm;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;

/**
 * Makes {@link Optimizer}s.
 *
 * <pre>{@code
 * Optimizer optimizer = Optimizers.of(manager, model.parametersByPath(), MuonSpec.builder().build(),
 *         List.of(ParameterGroup.warmup("**.mlp.router", 1_000_000)));
 * }</pre>
 *
 * <p>Parameters that require no gradient when the optimizer is made (frozen ones, the router's correction bias) are left alone and have no
 * state. Adapters (LoRA) are parameters like others, {@code layers.0.self_attn.q_proj_lora_a}.
 *
 * <p>Every step is deterministic for a number of threads. Besides the gradients it takes temporary memory that does not grow with the model:
 * fused updates (AdamW in full, SGD) none, FACTORED two arrays, EIGHT_BIT about ten and Muon eight of 1 MB, or of one matrix where that is
 * larger (not for EIGHT_BIT).
 */
public final class Optimizers {

    private static final ParameterGroup REST = ParameterGroup.learningRate("**", 1);

    private Optimizers() {}

    /**
     * An optimizer of parameters by path.
     *
     * @param manager its sub-manager will own the state
     * @param byPath initialised parameters by path, as {@link CausalLm#parametersByPath} has them
     * @param spec which optimizer
     * @param groups what trains differently; the first that matches a parameter decides
     * @return the optimizer
     * @throws IllegalArgumentException if no parameter can be trained, or a group decides about no parameter that trains; the message has the paths there are
     */
    public static Optimizer of(
            NDManager manager, Map<String, Parameter> byPath, OptimizerSpec spec, List<ParameterGroup> groups) {
        Map<String, Parameter> trainable = new LinkedHashMap<>();
        byPath.forEach((path, parameter) -> {
            if (parameter.requiresGradient()) {
                trainable.put(path, parameter);
            }
        });
        if (trainable.isEmpty()) {
            throw new IllegalArgumentException("there is no trainable parameter; is all of it frozen?");
        }
        return new GroupedOptimizer(manager, partition(trainable, spec, groups));
    }

    /**
     * An optimizer of all trainable parameters of a block.
     *
     * @param manager its sub-manager will own the state
     * @param block an initialised block; paths are the canonical ones of a {@link CausalLm} and the keys of {@code getParameters()} of others
     * @param spec which optimizer
     * @return the optimizer
     * @throws IllegalArgumentException if no parameter can be trained
     */
    public static Optimizer of(NDManager manager, Block block, OptimizerSpec spec) {
        Map<String, Parameter> byPath = new LinkedHashMap<>();
        if (block instanceof CausalLm model) {
            byPath.putAll(model.parametersByPath());
        } else {
            block.getParameters().forEach(entry -> byPath.put(entry.getKey(), entry.getValue()));
        }
        return of(manager, byPath, spec, List.of());
    }

    /** The parameters by how they are updated, in the order of the first of each. */
    private static Map<Treatment, Map<String, Parameter>> partition(
            Map<String, Parameter> trainable, OptimizerSpec spec, List<ParameterGroup> groups) {
        List<PathPattern> patterns =
                groups.stream().map(group -> new PathPattern(group.pattern())).toList();
        Set<Integer> used = new HashSet<>();
        Map<Treatment, Map<String, Parameter>> parts = new LinkedHashMap<>();
        trainable.forEach((path, parameter) -> {
            int first = 0;
            while (first < groups.size() && !patterns.get(first).matches(path)) {
                first++;
            }
            used.add(first);
            ParameterGroup group = first < groups.size() ? groups.get(first) : REST;
            parts.computeIfAbsent(treatment(path, parameter, spec, group), key -> new LinkedHashMap<>())
                    .put(path, parameter);
        });
        for (int i = 0; i < groups.size(); i++) {
            if (!used.contains(i)) {
                throw new IllegalArgumentException("no trainable parameter is left for the group "
                        + groups.get(i).pattern()
                        + ": earlier groups have what it matches, or it matches none of "
                        + kinds(trainable.keySet()));
            }
        }
        return parts;
    }

    private static Treatment treatment(String path, Parameter parameter, OptimizerSpec spec, ParameterGroup group) {
        UpdateKind kind = UpdateKind.of(path, parameter, spec);
        boolean matrix = parameter.getType() == Parameter.Type.WEIGHT;
        OptionalDouble own = group.weightDecay();
        double decay = own.orElse(matrix ? kind.weightDecay() : 0);
        return new Treatment(kind, decay, group.learningRateFactor(), group.warmupTokens());
    }

    /** Paths with a star for the number of a layer. */
    private static Set<String> kinds(Set<String> paths) {
        Set<String> kinds = new TreeSet<>();
        paths.forEach(path -> kinds.add(path.replaceAll("\\.\\d+\\.", ".*.")));
        return kinds;
    }

    /** What the parameters of one update have in common. */
    record Treatment(UpdateKind kind, double weightDecay, double learningRateFactor, long warmupTokens) {

        double factor(long tokens) {
            return new ParameterGroup("", learningRateFactor, OptionalDouble.empty(), warmupTokens).factor(tokens);
        }
    }
}
