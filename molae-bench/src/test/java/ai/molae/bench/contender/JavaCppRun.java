package ai.molae.bench.contender;

import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import java.lang.reflect.Method;

/** The program of {@link JavaCppContenderTest}: DJL's libtorch must not be in its process. */
final class JavaCppRun {

    private JavaCppRun() {}

    /** Prints a line for each layer: what and how large its error is; then what a thousand calls leave in memory; then whether DJL's engine was touched. */
    public static void main(String[] args) throws Exception {
        for (Shape shape : Shape.values()) {
            for (Variant variant : Variant.values()) {
                LayerCase layer = new LayerCase(shape, Scale.TINY, variant, ExpertLoad.ZIPF, 9);
                // A case needs a coordinate for each expert.
                if (layer.spec().numExperts() <= layer.spec().hiddenSize()) {
                    error(layer, Precision.FLOAT32);
                }
            }
            error(new LayerCase(shape, Scale.TINY, Variant.MOLAE_QUARTER, ExpertLoad.ZIPF, 1), Precision.FLOAT32);
            error(new LayerCase(shape, Scale.TINY, Variant.MOE, ExpertLoad.BALANCED, 9), Precision.BFLOAT16);
        }
        refusal();
        leak();
        System.out.println("djl " + isLoaded("ai.djl.engine.Engine"));
    }

    private static boolean isLoaded(String name) throws ReflectiveOperationException {
        Method find = ClassLoader.class.getDeclaredMethod("findLoadedClass", String.class);
        find.setAccessible(true);
        return find.invoke(JavaCppRun.class.getClassLoader(), name) != null;
    }

    private static void error(LayerCase layer, Precision precision) {
        try (Contender contender = Implementation.JAVACPP_PYTORCH.open(layer, precision)) {
            double error = Math.max(Agreement.error(layer, contender, 0), Agreement.error(layer, contender, 1));
            System.out.println("error " + precision + " " + error + " " + layer);
        }
    }

    private static void refusal() {
        LayerCase layer = new LayerCase(Shape.PAPER, Scale.TINY, Variant.MOE, ExpertLoad.BALANCED, 1);
        try (Contender contender = Implementation.JAVACPP_PYTORCH.open(layer, Precision.INT8)) {
            System.out.println("no refusal");
        } catch (IllegalArgumentException e) {
            System.out.println("refusal " + e.getMessage());
        }
    }

    /** A forgotten output would be 16 KB a call. */
    private static void leak() {
        LayerCase layer = new LayerCase(Shape.PAPER, Scale.TINY, Variant.MOLAE_EIGHT, ExpertLoad.BALANCED, 32);
        try (Contender contender = Implementation.JAVACPP_PYTORCH.open(layer, Precision.FLOAT32)) {
            run(contender, 100);
            long before = NativeMemory.inUse().orElse(0);
            run(contender, 1000);
            System.out.println("left " + (NativeMemory.inUse().orElse(0) - before));
        }
    }

    private static void run(Contender contender, int calls) {
        for (int call = 0; call < calls; call++) {
            contender.forward(call);
        }
    }
}
