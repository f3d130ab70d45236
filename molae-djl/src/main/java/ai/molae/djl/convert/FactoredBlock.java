package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import ai.molae.djl.hf.LayerRows;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;

/** A factored layer in memory, made of the standard one and its factors. */
final class FactoredBlock {

    private FactoredBlock() {}

    /**
     * Makes the layer: what both have, router and shared expert, is copied, the rest comes from the rows.
     *
     * @param manager will own it
     * @param original the standard layer, float32 parameters
     * @param spec the factored layer
     * @param rows the parameters of its routed experts
     * @return a block in the original's precision
     */
    static MoeBlock of(NDManager manager, MoeBlock original, MoeSpec spec, LayerRows rows) {
        MoeBlock block = MoeBlock.builder()
                .setSpec(spec)
                .optPrecision(original.precision())
                .build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, spec.hiddenSize()));
        fill(original, block, rows);
        return block;
    }

    /** Gives an initialised factored layer its values, or the original layer itself others. */
    static void fill(MoeBlock original, MoeBlock factored, LayerRows rows) {
        for (Pair<String, Parameter> parameter : factored.getDirectParameters()) {
            NDArray target = parameter.getValue().getArray();
            if (!LayerRows.PARAMETERS.contains(parameter.getKey())) {
                if (original == factored) {
                    continue;
                }
                WeightSource.assign(
                        original.getDirectParameters().get(parameter.getKey()).getArray(), target, 0);
                continue;
            }
            long rowSize = target.getShape().slice(1).size();
            for (int i = 0; i < target.getShape().get(0); i++) {
                try (NDManager scope = target.getManager().newSubManager();
                        NDArray row = rows.row(scope, parameter.getKey(), i)) {
                    WeightSource.assign(row, target, i * rowSize);
                }
            }
        }
    }

    /** {@code sqrt(Σ ‖W − W'‖² / Σ ‖W‖²)} over the experts. */
    static double relativeError(MoeBlock original, MoeBlock factored, ExpertOperator operator) {
        double difference = 0;
        double size = 0;
        for (int expert = 0; expert < original.spec().numExperts(); expert++) {
            try (NDManager scope = NDManager.newBaseManager("PyTorch");
                    NoGrad noGrad = new NoGrad()) {
                NDArray w = ExpertMatrices.of(scope, original, expert, operator).toType(DataType.FLOAT64, true);
                NDArray product =
                        ExpertMatrices.of(scope, factored, expert, operator).toType(DataType.FLOAT64, true);
                w.attach(scope);
                product.attach(scope);
                difference += w.sub(product).square().sum().getDouble();
                size += w.square().sum().getDouble();
            }
        }
        return size == 0 ? 0 : Math.sqrt(difference / size);
    }

    /**
     * The parameters of a layer in memory.
     *
     * @param block float32 parameters
     * @return copies, row by row
     */
    static LayerRows rows(MoeBlock block) {
        return (manager, parameter, index) -> {
            NDArray row = block.getDirectParameters()
                    .get(parameter)
                    .getArray()
                    .get(new NDIndex("{}", index))
                    .duplicate();
            row.attach(manager);
            return row;
        };
    }
}
