package ai.molae.bench.contender;

import ai.molae.bench.workload.LayerCase;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.util.Optional;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@link JavaCppMoe} with weights in float32 or bfloat16, without gradients. In a process without DJL's engine. */
final class JavaCppContender implements Contender {

    private final JavaCppMoe moe;
    private final Tensor[] inputs = new Tensor[INPUTS];

    JavaCppContender(LayerCase layer, Precision precision) {
        refusal(layer.spec(), precision).ifPresent(why -> {
            throw new IllegalArgumentException(why);
        });
        JavaCppTorch.load();
        ScalarType type = JavaCppTorch.type(precision);
        moe = new JavaCppMoe(layer.spec(), new JavaCppWeights(layer, type), type);
        for (int i = 0; i < INPUTS; i++) {
            inputs[i] = JavaCppTorch.tensor(
                    layer.input(i),
                    ScalarType.Float,
                    layer.tokens(),
                    layer.spec().hiddenSize());
        }
    }

    /** Why it cannot run a layer; empty if it can. Loads nothing. */
    static Optional<String> refusal(MoeSpec spec, Precision precision) {
        return JavaCppTorch.refusal(precision).or(() -> JavaCppMoe.refusal(spec));
    }

    @Override
    public void forward(int call) {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGrad = new NoGradGuard()) {
            moe.forward(inputs[call % INPUTS]);
        }
    }

    @Override
    public float[] output(int input) {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGrad = new NoGradGuard()) {
            return JavaCppTorch.numbers(moe.forward(inputs[input]));
        }
    }

    @Override
    public void close() {
        moe.close();
        for (Tensor input : inputs) {
            input.close();
        }
    }
}
