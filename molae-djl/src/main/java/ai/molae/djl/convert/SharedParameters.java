package ai.molae.djl.convert;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ModelSpec;
import java.util.Map;

/** What two models have in common. */
final class SharedParameters {

    private SharedParameters() {}

    /** A fresh model of another spec that has the parameters of a trained one wherever path and shape agree. */
    static CausalLm copy(CausalLm from, ModelSpec spec, NDManager manager, Precision precision) {
        if (from.preparedPrecision().isPresent() || !from.isInitialized() || from.numAdapters() > 0) {
            throw new IllegalStateException("a model to start from has float32 parameters and no adapters; load it with"
                    + " Checkpoint.load, and merge adapters before");
        }
        CausalLm model =
                CausalLm.builder().setSpec(spec).optPrecision(precision).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        Map<String, Parameter> source = from.parametersByPath();
        model.parametersByPath().forEach((path, parameter) -> {
            Parameter same = source.get(path);
            if (same != null && same.getShape().equals(parameter.getShape())) {
                WeightSource.assign(same.getArray(), parameter.getArray(), 0);
            }
        });
        return model;
    }
}
