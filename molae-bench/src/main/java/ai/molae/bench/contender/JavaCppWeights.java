package ai.molae.bench.contender;

import ai.molae.bench.workload.LayerCase;
import ai.molae.spec.ParameterShape;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The weights of a {@link LayerCase} as JavaCPP tensors, one for each matrix: a parameter of three dimensions is as many tensors as experts or
 * groups. The router's are float32 in any case.
 */
final class JavaCppWeights implements AutoCloseable {

    private final Map<String, Tensor[]> matrices = new HashMap<>();

    JavaCppWeights(LayerCase layer, ScalarType type) {
        for (ParameterShape parameter : layer.spec().parameters()) {
            matrices.put(parameter.name(), load(layer, parameter, type));
        }
    }

    private static Tensor[] load(LayerCase layer, ParameterShape parameter, ScalarType type) {
        List<Integer> shape = parameter.shape();
        if (shape.size() == 3) {
            Tensor[] slices = new Tensor[shape.get(0)];
            for (int i = 0; i < slices.length; i++) {
                slices[i] = JavaCppTorch.tensor(layer.slice(parameter, i), type, shape.get(1), shape.get(2));
            }
            return slices;
        }
        float[] all = new float[Math.toIntExact(parameter.size())];
        int width = all.length / shape.get(0);
        for (int i = 0; i < shape.get(0); i++) {
            System.arraycopy(layer.slice(parameter, i), 0, all, i * width, width);
        }
        boolean routing = parameter.name().equals("router") || parameter.name().equals("e_score_correction_bias");
        long[] dimensions = shape.stream().mapToLong(Integer::longValue).toArray();
        return new Tensor[] {JavaCppTorch.tensor(all, routing ? ScalarType.Float : type, dimensions)};
    }

    /** A parameter of one or two dimensions. */
    Tensor matrix(String name) {
        return slice(name, 0);
    }

    /** An expert's or a group's matrix. */
    Tensor slice(String name, int index) {
        Tensor[] slices = matrices.get(name);
        if (slices == null) {
            throw new IllegalStateException("no " + name + " among " + matrices.keySet());
        }
        return slices[index];
    }

    @Override
    public void close() {
        matrices.values().forEach(slices -> List.of(slices).forEach(Tensor::close));
    }
}
