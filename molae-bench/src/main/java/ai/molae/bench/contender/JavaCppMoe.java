package ai.molae.bench.contender;

import ai.molae.bench.contender.JavaCppRouter.Slots;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * The grouped loop: slots sorted by expert, then for each expert that has any, its rows gathered, multiplied, weighted and added. With a latent part,
 * projections are evaluated once for each token and group that meet:
 *
 * <pre>
 *   z = x B_in^gᵀ                        rows: the tokens that chose an expert of group g
 *   s[rows of i] += p (σ(z A_gateᵀ) ⊙ z A_upᵀ) A_downᵀ
 *   y[rows of g] += s B_out^gᵀ
 * </pre>
 */
final class JavaCppMoe implements AutoCloseable {

    private final MoeSpec spec;
    private final ScalarType type;
    private final JavaCppWeights weights;
    private final JavaCppRouter router;
    /** The experts of each group; all in one where nothing is factored. */
    private final List<int[]> groups;

    /**
     * A layer.
     *
     * @param weights its weights, which it owns
     * @param type of products and activations
     */
    JavaCppMoe(MoeSpec spec, JavaCppWeights weights, ScalarType type) {
        this.spec = spec;
        this.type = type;
        this.weights = weights;
        ExpertGroups partition = spec.latent().isPresent()
                ? spec.expertGroups()
                : ExpertGroups.contiguous(spec.numExperts(), spec.numExperts());
        groups = IntStream.range(0, partition.numGroups())
                .mapToObj(g -> IntStream.range(0, spec.numExperts())
                        .filter(expert -> partition.groupOf(expert) == g)
                        .toArray())
                .toList();
        int[] order = groups.stream().flatMapToInt(IntStream::of).toArray();
        router = new JavaCppRouter(
                spec,
                weights,
                IntStream.range(0, order.length)
                        .boxed()
                        .sorted(Comparator.comparing(place -> order[place]))
                        .mapToLong(Integer::longValue)
                        .toArray());
    }

    /** Why the loop cannot do a layer; empty if it can. Loads nothing. */
    static Optional<String> refusal(MoeSpec spec) {
        if (!spec.gated() || spec.activation() != Activation.SILU) {
            return Optional.of("the JavaCPP loop knows gated experts with SILU, not "
                    + (spec.gated() ? "gated" : "ungated") + " ones with " + spec.activation());
        }
        return spec.router().hasCapacity()
                ? Optional.of("the JavaCPP loop drops no tokens, the router has capacity factor "
                        + spec.router().capacityFactor())
                : Optional.empty();
    }

    /**
     * The layer's output.
     *
     * @param x {@code [T, n]}, float32
     * @return {@code [T, n]}, float32, in the caller's {@code PointerScope}
     */
    Tensor forward(Tensor x) {
        Tensor y = torch.zeros(x.size(0), spec.hiddenSize());
        try (PointerScope scope = new PointerScope()) {
            Tensor in = x.to(type);
            Slots slots = router.route(x);
            int place = 0;
            long start = 0;
            for (int g = 0; g < groups.size(); g++) {
                int members = groups.get(g).length;
                long count = 0;
                for (int i = 0; i < members; i++) {
                    count += slots.counts()[place + i];
                }
                if (count > 0) {
                    try (PointerScope inner = new PointerScope()) {
                        addGroup(g, in, slots, place, start, count, y);
                    }
                }
                place += members;
                start += count;
            }
            if (spec.sharedExpert().isPresent()) {
                y.add_(shared(in));
            }
        }
        return y;
    }

    /** Adds what the slots of one group, {@code count} from {@code start}, make of {@code x}. */
    private void addGroup(int g, Tensor x, Slots slots, int place, long start, long count, Tensor y) {
        Tensor rows = slots.tokens().narrow(0, start, count);
        Tensor inputs = x;
        Tensor inputRows = rows;
        Tensor tokens = null;
        if (groups.size() > 1) {
            T_TensorTensorTensor_T distinct = torch.unique_dim(rows, 0, true, true, false);
            tokens = distinct.get0();
            inputs = x.index_select(0, tokens);
            inputRows = distinct.get1();
        }
        Tensor z = spec.latentInSize() > 0 ? torch.linear(inputs, weights.slice("latent_in", g)) : null;
        boolean latentOut = spec.isFactored(ExpertOperator.DOWN);
        Tensor sum = latentOut ? torch.zeros(inputs.size(0), spec.expertWidth(ExpertOperator.DOWN)) : y;
        Tensor sumRows = latentOut ? inputRows : rows;
        long at = 0;
        for (int i = 0; i < groups.get(g).length; i++) {
            long own = slots.counts()[place + i];
            if (own > 0) {
                try (PointerScope inner = new PointerScope()) {
                    Tensor mine = inputRows.narrow(0, at, own);
                    Tensor output = torch.linear(
                            hidden(groups.get(g)[i], inputs, z, mine), weights.slice("down", groups.get(g)[i]));
                    Tensor weighted =
                            output.to(ScalarType.Float).mul(slots.weights().narrow(0, start + at, own));
                    sum.index_add_(0, sumRows.narrow(0, at, own), weighted);
                }
            }
            at += own;
        }
        if (latentOut) {
            Tensor out =
                    torch.linear(sum.to(type), weights.slice("latent_out", g)).to(ScalarType.Float);
            if (tokens == null) {
                y.add_(out);
            } else {
                y.index_add_(0, tokens, out);
            }
        }
    }

    /** The inside of an expert, {@code [rows, m]}. */
    private Tensor hidden(int expert, Tensor x, @Nullable Tensor z, Tensor rows) {
        Tensor xRows = spec.isFactored(ExpertOperator.GATE) && spec.isFactored(ExpertOperator.UP)
                ? null
                : x.index_select(0, rows);
        Tensor zRows = z == null ? null : z.index_select(0, rows);
        Tensor up = read(ExpertOperator.UP, xRows, zRows);
        if (spec.fusedGateUp()) {
            return swiglu(torch.linear(up, weights.slice("gate_up", expert)));
        }
        Tensor gate = torch.linear(read(ExpertOperator.GATE, xRows, zRows), weights.slice("gate", expert));
        return torch.silu(gate).mul(torch.linear(up, weights.slice("up", expert)));
    }

    /** What an operator reads: columns of z, gate first, or x. */
    private Tensor read(ExpertOperator operator, @Nullable Tensor x, @Nullable Tensor z) {
        if (!spec.isFactored(operator) || z == null) {
            return Objects.requireNonNull(x);
        }
        long width = spec.expertWidth(operator);
        if (width == z.size(1)) {
            return z;
        }
        return z.narrow(1, operator == ExpertOperator.GATE ? 0 : z.size(1) - width, width);
    }

    private static Tensor swiglu(Tensor gateUp) {
        long m = gateUp.size(1) / 2;
        return torch.silu(gateUp.narrow(1, 0, m)).mul(gateUp.narrow(1, m, m));
    }

    private Tensor shared(Tensor x) {
        Tensor hidden = swiglu(torch.linear(x, weights.matrix("shared_gate_up")));
        Tensor output = torch.linear(hidden, weights.matrix("shared_down"));
        return spec.sharedExpert().orElseThrow().sigmoidGated()
                ? output.mul(torch.linear(x, weights.matrix("shared_gate")).sigmoid())
                : output;
    }

    /** Frees the weights too. */
    @Override
    public void close() {
        router.close();
        weights.close();
    }
}
