package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.LatentCoordinates;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The matrices of one operator of a factored layer, {@code A_i B} in an orthonormal basis of the latent space of their group: a layer of hidden size r whose
 * stacks have the singular values of those of the whole matrices, and never more of them. An operator that is not factored is read as it is. For one thread.
 */
final class FactoredExperts implements ExpertSource {

    private final ExpertOperator operator;
    private final CheckpointExperts own;
    private final MoeSpec layer;
    private final MoeSpec spec;
    private final WeightSource weights;
    private final Parameter projections;
    private int group = -1;
    /** S of that group, {@code [r, r]}. */
    private double[] basis = {};

    FactoredExperts(Checkpoint checkpoint, int layer, ExpertOperator operator) {
        this.operator = operator;
        own = new CheckpointExperts(checkpoint, layer);
        this.layer = own.spec();
        spec = stack(this.layer, operator);
        boolean down = operator == ExpertOperator.DOWN;
        int groups = this.layer.expertGroups().numGroups();
        int n = this.layer.hiddenSize();
        projections = down
                ? CheckpointExperts.parameter("latent_out", new Shape(groups, n, this.layer.expertWidth(operator)))
                : CheckpointExperts.parameter("latent_in", new Shape(groups, this.layer.latentInSize(), n));
        weights = checkpoint.weights(
                this.layer.isFactored(operator)
                        ? Map.of("layers." + layer + ".mlp." + projections.getName(), projections)
                        : Map.of());
    }

    /** A source for each thread that asks, whose reads are counted: each has a buffer of its own. */
    static Supplier<ExpertSource> perThread(
            Checkpoint checkpoint, int layer, ExpertOperator operator, ReadCounter counter) {
        return counter.perThread(() -> new FactoredExperts(checkpoint, layer, operator));
    }

    /** A layer in which this operator alone is factored, of hidden size r and with the groups of the real one; of latent sizes that do not matter. */
    static MoeSpec stack(MoeSpec layer, ExpertOperator operator) {
        ExpertGroups groups = layer.isFactored(operator)
                ? layer.expertGroups()
                : ExpertGroups.contiguous(layer.numExperts(), layer.numExperts());
        return layer.withoutLatent().toBuilder()
                .setHiddenSize(layer.expertWidth(operator))
                .optLatent(LatentSpec.builder()
                        .setGroups(groups)
                        .optLatentSize(operator, 1)
                        .build())
                .build();
    }

    @Override
    public MoeSpec spec() {
        return spec;
    }

    @Override
    public NDArray read(NDManager into, int expert, ExpertOperator asked) {
        NDArray factor = own.read(into, expert, asked);
        if (!layer.isFactored(asked)) {
            return factor;
        }
        try (NDManager scope = into.newSubManager();
                NoGrad noGrad = new NoGrad()) {
            factor.attach(scope);
            NDArray exact = factor.toType(DataType.FLOAT64, true);
            int r = layer.expertWidth(asked);
            NDArray s = scope.create(basis(scope, layer.expertGroups().groupOf(expert)), new Shape(r, r));
            NDArray product = asked == ExpertOperator.DOWN ? s.transpose().matMul(exact) : exact.matMul(s);
            NDArray single = product.toType(DataType.FLOAT32, true);
            single.attach(into);
            return single;
        }
    }

    /** S of a group; experts are read group by group. */
    private double[] basis(NDManager scope, int of) {
        if (of != group) {
            NDArray rows = CheckpointExperts.row(scope, weights, projections, of);
            int first = behindGate() ? layer.expertWidth(ExpertOperator.GATE) : 0;
            NDArray b = operator == ExpertOperator.DOWN
                    ? rows.transpose()
                    : rows.get(new NDIndex("{}:{}", first, first + layer.expertWidth(operator)));
            basis = LatentCoordinates.of(scope, b).toDoubleArray();
            group = of;
        }
        return basis;
    }

    /** Whether the rows of gate's projection stand before those of up's. */
    private boolean behindGate() {
        return operator == ExpertOperator.UP
                && layer.isFactored(ExpertOperator.GATE)
                && !layer.latent().orElseThrow().tiedGateUp();
    }
}
