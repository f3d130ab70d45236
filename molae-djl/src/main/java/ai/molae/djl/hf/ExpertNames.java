package ai.molae.djl.hf;

import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The tensors of a MoE layer. Experts stand one by one, {@code experts.3.up_proj.weight}, or stacked by operator,
 * {@code experts.up_proj}, whichever the checkpoint has.
 *
 * @param modules names the module has gone by, the one to write first
 * @param gate name of an expert's gate
 * @param up name of an expert's up
 * @param down name of an expert's down
 * @param shared name of the shared expert's module
 * @param latentIn name of the stacked projections of gate and up
 * @param latentOut name of the stacked projections of down
 */
record ExpertNames(
        List<String> modules, String gate, String up, String down, String shared, String latentIn, String latentOut) {

    static ExpertNames usual(String shared) {
        return new ExpertNames(
                List.of("mlp"), "gate_proj", "up_proj", "down_proj", shared, "experts.latent_in", "experts.latent_out");
    }

    /** The parameters of a layer, each named {@code path} and its own name; the tensors start with {@code layer}. */
    List<TensorBinding> bindings(MoeSpec moe, String path, String layer, Set<String> present) {
        String module = layer + module(layer, present) + ".";
        List<TensorBinding> list = new ArrayList<>();
        for (ParameterShape parameter : moe.parameters()) {
            list.add(new TensorBinding(path + parameter.name(), pieces(moe, parameter, module, present)));
        }
        return list;
    }

    private String module(String layer, Set<String> present) {
        return modules.stream()
                .filter(module -> present.contains(layer + module + ".gate.weight"))
                .findFirst()
                .orElse(modules.get(0));
    }

    private List<Piece> pieces(MoeSpec moe, ParameterShape parameter, String module, Set<String> present) {
        List<Long> shape = parameter.shape().stream().map(Integer::longValue).toList();
        return switch (parameter.name()) {
            case "router" -> whole(module + "gate.weight", shape);
            case "e_score_correction_bias" -> whole(module + "gate." + parameter.name(), shape);
            case "latent_in" -> whole(module + latentIn, latentShape(moe, latentIn, shape));
            case "latent_out" -> whole(module + latentOut, latentShape(moe, latentOut, shape));
            case "gate_up" -> experts(module, "gate_up_proj", List.of(gate, up), shape, present);
            case "gate" -> experts(module, "gate_proj", List.of(gate), shape, present);
            case "up" -> experts(module, "up_proj", List.of(up), shape, present);
            case "down" -> experts(module, "down_proj", List.of(down), shape, present);
            case "shared_gate_up" -> halves(module + shared, moe);
            case "shared_up" -> whole(module + shared + ".up_proj.weight", shape);
            case "shared_down" -> whole(module + shared + ".down_proj.weight", shape);
            case "shared_gate" -> whole(module + "shared_expert_gate.weight", shape);
            default -> throw new IllegalStateException("no tensor name for " + parameter);
        };
    }

    /** A linear layer of its own, without the axis of the one group, where the name says it is one. */
    private static List<Long> latentShape(MoeSpec moe, String name, List<Long> shape) {
        return name.endsWith(".weight") && moe.expertGroups().numGroups() == 1 ? shape.subList(1, 3) : shape;
    }

    private static List<Piece> halves(String shared, MoeSpec moe) {
        long width = moe.sharedExpert().orElseThrow().intermediateSize();
        List<Long> half = List.of(width, (long) moe.hiddenSize());
        return List.of(
                new Piece(shared + ".gate_proj.weight", half, 0),
                new Piece(shared + ".up_proj.weight", half, width * moe.hiddenSize()));
    }

    private static List<Piece> experts(
            String module, String stack, List<String> operators, List<Long> shape, Set<String> present) {
        String stacked = module + "experts." + stack;
        if (present.contains(stacked)) {
            return whole(stacked, shape);
        }
        List<Long> one = List.of(shape.get(1) / operators.size(), shape.get(2));
        List<Piece> pieces = new ArrayList<>();
        long first = 0;
        for (long expert = 0; expert < shape.get(0); expert++) {
            for (String operator : operators) {
                Piece piece = new Piece(module + "experts." + expert + "." + operator + ".weight", one, first);
                pieces.add(piece);
                first = Math.addExact(first, piece.size());
            }
        }
        return pieces;
    }

    static List<Piece> whole(String tensor, List<Long> shape) {
        return List.of(new Piece(tensor, shape, 0));
    }
}
