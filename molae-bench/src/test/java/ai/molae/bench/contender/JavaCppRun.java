package ai.molae.bench.contender;

import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** The program of {@link JavaCppContenderTest}: DJL's libtorch must not be in its process. */
final class JavaCppRun {

    private JavaCppRun() {}

    /** Prints a line for each layer: what and how large its error is; then what a thousand calls leave in memory; then the ceilings. */
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
        leak();
        Implementation.JAVACPP_PYTORCH.ceilings(Precision.FLOAT32).close();
        try (var ceilings = Implementation.JAVACPP_PYTORCH.ceilings(Precision.BFLOAT16)) {
            System.out.println("ceilings " + ceilings.measure());
        }
        try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
            System.out.println("libtorch "
                    + maps.filter(line -> line.contains("libtorch_cpu"))
                            .map(line -> line.replaceAll("^\\S+ \\S+ \\S+ \\S+ \\S+ +", ""))
                            .distinct()
                            .toList());
        }
    }

    private static void error(LayerCase layer, Precision precision) {
        try (Contender contender = Implementation.JAVACPP_PYTORCH.open(layer, precision)) {
            System.out.printf(
                    "error %s %s %s %s%n",
                    layer.shape(),
                    layer.variant(),
                    precision,
                    Math.max(Agreement.error(layer, contender, 0), Agreement.error(layer, contender, 1)));
        }
    }

    private static void leak() {
        LayerCase layer = new LayerCase(Shape.PAPER, Scale.TINY, Variant.MOLAE_EIGHT, ExpertLoad.BALANCED, 4);
        try (Contender contender = Implementation.JAVACPP_PYTORCH.open(layer, Precision.FLOAT32)) {
            run(contender, 200);
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
