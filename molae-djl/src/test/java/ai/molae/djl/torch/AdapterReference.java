package ai.molae.djl.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/** Adapters as their definition has them, {@code W + s B A} in double, for models and their parameters by path. */
public final class AdapterReference {

    private static final String A = "_lora_a";
    private static final String B = "_lora_b";

    private AdapterReference() {}

    /** Gives all adapters of a block values of standard deviation {@code deviation}, so that B is not zero. */
    public static void randomize(Block block, double deviation, long seed) {
        Random random = new Random(seed);
        for (Pair<String, Parameter> entry : block.getParameters()) {
            if (isAdapter(entry.getKey())) {
                float[] values = new float[(int) entry.getValue().getShape().size()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = (float) (deviation * random.nextGaussian());
                }
                entry.getValue().getArray().set(values);
            }
        }
    }

    public static boolean isAdapter(String name) {
        return name.endsWith(A) || name.endsWith(B);
    }

    /** The parameters of a block by path, without adapters: each matrix with its own added. */
    public static Map<String, double[]> effective(Block block, double scale) {
        Map<String, double[]> result = new LinkedHashMap<>();
        block.getParameters().forEach(entry -> {
            if (!isAdapter(entry.getKey())) {
                result.put(entry.getKey(), doubles(entry.getValue().getArray()));
            }
        });
        for (String name : result.keySet()) {
            Parameter a = block.getParameters().get(name + A);
            if (a != null) {
                Parameter b = block.getParameters().get(name + B);
                add(result.get(name), a, b, scale);
            }
        }
        return result;
    }

    private static void add(double[] w, Parameter a, Parameter b, double scale) {
        Dimensions d = new Dimensions(a, b);
        double[] as = doubles(a.getArray());
        double[] bs = doubles(b.getArray());
        for (int e = 0; e < d.count; e++) {
            for (int o = 0; o < d.out; o++) {
                for (int i = 0; i < d.in; i++) {
                    for (int r = 0; r < d.rank; r++) {
                        w[d.w(e, o, i)] += scale * bs[d.b(e, o, r)] * as[d.a(e, r, i)];
                    }
                }
            }
        }
    }

    /** The gradients of A and B of each adapted parameter, given those of the matrices: {@code dA = s Bᵀ dW}, {@code dB = s dW Aᵀ}. */
    public static Map<String, double[]> gradients(Block block, Map<String, double[]> ofMatrices, double scale) {
        Map<String, double[]> result = new LinkedHashMap<>();
        for (Pair<String, Parameter> entry : block.getParameters()) {
            Parameter a = block.getParameters().get(entry.getKey() + A);
            if (a != null) {
                Parameter b = block.getParameters().get(entry.getKey() + B);
                double[] dw = ofMatrices.get(entry.getKey());
                Dimensions d = new Dimensions(a, b);
                double[] as = doubles(a.getArray());
                double[] bs = doubles(b.getArray());
                double[] da = new double[as.length];
                double[] db = new double[bs.length];
                for (int e = 0; e < d.count; e++) {
                    for (int o = 0; o < d.out; o++) {
                        for (int i = 0; i < d.in; i++) {
                            for (int r = 0; r < d.rank; r++) {
                                da[d.a(e, r, i)] += scale * bs[d.b(e, o, r)] * dw[d.w(e, o, i)];
                                db[d.b(e, o, r)] += scale * as[d.a(e, r, i)] * dw[d.w(e, o, i)];
                            }
                        }
                    }
                }
                result.put(entry.getKey() + A, da);
                result.put(entry.getKey() + B, db);
            }
        }
        return result;
    }

    public static double[] doubles(NDArray array) {
        float[] floats = array.toFloatArray();
        double[] doubles = new double[floats.length];
        for (int i = 0; i < floats.length; i++) {
            doubles[i] = floats[i];
        }
        return doubles;
    }

    public static void set(Block block, Map<String, double[]> values) {
        values.forEach((name, array) -> {
            float[] floats = new float[array.length];
            for (int i = 0; i < array.length; i++) {
                floats[i] = (float) array[i];
            }
            block.getParameters().get(name).getArray().set(floats);
        });
    }

    /** Sizes of a pair of stacks; one matrix is a stack of one. */
    private static final class Dimensions {
        final int count;
        final int rank;
        final int in;
        final int out;

        Dimensions(Parameter a, Parameter b) {
            Shape shape = a.getShape();
            int last = shape.dimension() - 1;
            count = last == 1 ? 1 : (int) shape.get(0);
            rank = (int) shape.get(last - 1);
            in = (int) shape.get(last);
            out = (int) b.getShape().get(last - 1);
        }

        int w(int e, int o, int i) {
            return (e * out + o) * in + i;
        }

        int a(int e, int r, int i) {
            return (e * rank + r) * in + i;
        }

        int b(int e, int o, int r) {
            return (e * out + o) * rank + r;
        }
    }
}
