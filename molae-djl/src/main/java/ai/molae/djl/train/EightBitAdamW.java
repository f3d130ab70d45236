package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** {@link SecondMoment#EIGHT_BIT}. */
final class EightBitAdamW extends ParameterUpdate {

    /** Elements that share a scale; {@code optimizers.py} knows it too. */
    private static final int BLOCK = 256;

    private final AdamWSpec spec;
    private final NDArray signed;
    private final NDArray unsigned;
    private final List<NDArray[]> states = new ArrayList<>();

    EightBitAdamW(NDManager manager, Map<String, Parameter> parameters, AdamWSpec spec) {
        super(manager, parameters);
        this.spec = spec;
        signed = table(manager, signedLevels());
        unsigned = table(manager, unsignedLevels());
        parameters.forEach((path, parameter) -> {
            long blocks = (parameter.getArray().size() + BLOCK - 1) / BLOCK;
            states.add(new NDArray[] {
                addState(path, "exp_avg_codes", parameter, new Shape(blocks * BLOCK), DataType.UINT8),
                addState(path, "exp_avg_scales", parameter, new Shape(blocks), DataType.FLOAT32),
                addState(path, "exp_avg_sq_codes", parameter, new Shape(blocks * BLOCK), DataType.UINT8),
                addState(path, "exp_avg_sq_scales", parameter, new Shape(blocks), DataType.FLOAT32)
            });
        });
    }

    @Override
    void update(NDManager scope, List<NDArray> gradients, NDArray step, StepNumbers hyper) {
        NDArray numbers = adamW(scope, spec, hyper);
        List<NDArray> weights = weights();
        for (int i = 0; i < weights.size(); i++) {
            NDArray[] state = states.get(i);
            OPS.call(
                    "adamw_8bit",
                    numbers,
                    weights.get(i),
                    gradients.get(i),
                    state[0],
                    state[1],
                    state[2],
                    state[3],
                    signed,
                    unsigned);
        }
    }

    /** Levels, in order, and after them the bounds between them. */
    private static NDArray table(NDManager manager, double[] levels) {
        float[] table = new float[2 * levels.length - 1];
        for (int i = 0; i < levels.length; i++) {
            table[i] = (float) levels[i];
            if (i > 0) {
                table[levels.length + i - 1] = (float) ((levels[i - 1] + levels[i]) / 2);
            }
        }
        return lasting(manager.create(table));
    }

    /**
     * The dynamic tree: of 7 bits, e zeros and a one say that a level is in 10⁻ᵉ · (0.1, 1), where the remaining 6 − e bits choose the middle
     * of one of 2⁶⁻ᵉ equal parts. Zero and one are levels too.
     */
    static double[] signedLevels() {
        double[] levels = new double[256];
        int count = 0;
        levels[count++] = 0;
        levels[count++] = 1;
        for (int e = 0; e <= 6; e++) {
            for (double level : parts(e, 6 - e)) {
                levels[count++] = level;
                levels[count++] = -level;
            }
        }
        Arrays.sort(levels);
        return levels;
    }

    /** The same without a sign, and without zero, because a small √v that became zero would make a large update. */
    static double[] unsignedLevels() {
        double[] levels = new double[256];
        int count = 0;
        levels[count++] = 1;
        for (int e = 0; e <= 7; e++) {
            for (double level : parts(e, 7 - e)) {
                levels[count++] = level;
            }
        }
        Arrays.sort(levels);
        return levels;
    }

    private static double[] parts(int zeros, int bits) {
        double[] middles = new double[1 << bits];
        for (int i = 0; i < middles.length; i++) {
            middles[i] = Math.pow(10, -zeros) * (0.1 + 0.9 * (i + 0.5) / middles.length);
        }
        return middles;
    }
}
