package ai.molae.bench.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.training.ParameterStore;
import ai.molae.bench.contender.Contender;
import ai.molae.bench.contender.Implementation;
import ai.molae.bench.contender.MolaeRouting;
import ai.molae.bench.contender.Trainee;
import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.ActivationPolicy;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whoever is measured computes the layer. */
class ParityTest {

    private static final int[] TOKENS = {1, 3, 17};

    /** Loads and numbers of tokens take turns, so that each meets every shape. */
    @ParameterizedTest
    @EnumSource
    void everyVariantOfAShapeAgreesWithTheReference(Shape shape) {
        for (Variant variant : Variant.values()) {
            int turn = shape.ordinal() + variant.ordinal();
            LayerCase layer =
                    new LayerCase(shape, Scale.TINY, variant, ExpertLoad.values()[turn % 2], TOKENS[turn % 3]);
            Reference reference = new Reference(layer);
            try (Contender contender = Implementation.MOLAE.open(layer, Precision.FLOAT32)) {
                assertThat(reference.checkOutput(turn % 8, contender.output(turn % 8), Precision.FLOAT32))
                        .isPositive();
            }
            try (Trainee trainee =
                    Implementation.MOLAE.openTraining(layer, Precision.FLOAT32, ActivationPolicy.KEEP_DISTINCT)) {
                assertThat(reference.checkInputGradient(turn % 8, trainee.inputGradient(turn % 8), Precision.FLOAT32))
                        .isPositive();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void routingIsTheReferences(Shape shape) {
        LayerCase layer = new LayerCase(shape, Scale.TINY, Variant.MOE, ExpertLoad.ZIPF, 17);
        try (MolaeRouting routing = new MolaeRouting(layer, Precision.FLOAT32)) {
            double[][] weights = routing.weights(3);
            assertThat(new Reference(layer).checkRouting(3, weights)).isLessThan(1e-5);
            assertThatThrownBy(() -> new Reference(layer).checkRouting(2, weights))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void theLoopOfADjlUserAgreesInInferenceAndTraining() {
        LayerCase layer =
                new LayerCase(Shape.QWEN1_5_MOE_A2_7B, Scale.TINY, Variant.MOLAE_EIGHT, ExpertLoad.BALANCED, 3);
        Reference reference = new Reference(layer);
        try (Contender loop = Implementation.NDARRAY_LOOP.open(layer, Precision.FLOAT32);
                Trainee trainee = Implementation.NDARRAY_LOOP.openTraining(
                        layer, Precision.FLOAT32, ActivationPolicy.KEEP_GATHERED)) {
            reference.checkOutput(1, loop.output(1), Precision.FLOAT32);
            reference.checkInputGradient(1, trainee.inputGradient(1), Precision.FLOAT32);
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyWayToTrainGivesTheSameGradient(ActivationPolicy activations) {
        LayerCase layer = new LayerCase(Shape.OLMOE_1B_7B, Scale.TINY, Variant.MOLAE, ExpertLoad.ZIPF, 17);
        for (Precision precision : Precision.trainable()) {
            try (Trainee trainee = Implementation.MOLAE.openTraining(layer, precision, activations)) {
                trainee.step(0);
                new Reference(layer).checkInputGradient(0, trainee.inputGradient(0), precision);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aResultScaledByLittleMoreThanTheToleranceIsRefused(Precision precision) {
        LayerCase layer = new LayerCase(Shape.QWEN3_30B_A3B, Scale.TINY, Variant.MOLAE, ExpertLoad.BALANCED, 3);
        Reference reference = new Reference(layer);
        float factor = (float) (1 + 1.5 * Tolerances.output(precision));
        try (Contender contender = Implementation.MOLAE.open(layer, precision)) {
            float[] output = contender.output(0);
            reference.checkOutput(0, output, precision);
            for (int i = 0; i < output.length; i++) {
                output[i] *= factor;
            }
            assertThatThrownBy(() -> reference.checkOutput(0, output, precision))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("differs from the reference");
        }
    }

    @ParameterizedTest
    @EnumSource
    void theLastTokenIsCheckedToo(Precision precision) {
        LayerCase layer = new LayerCase(Shape.PAPER, Scale.TINY, Variant.MOE, ExpertLoad.BALANCED, 17);
        try (Contender contender = Implementation.MOLAE.open(layer, precision)) {
            float[] output = contender.output(0);
            output[output.length - 1] = Float.NaN;
            assertThatThrownBy(() -> new Reference(layer).checkOutput(0, output, precision))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void anotherLayerIsRefused() {
        LayerCase layer = new LayerCase(Shape.PAPER, Scale.TINY, Variant.MOE, ExpertLoad.BALANCED, 1);
        LayerCase other = new LayerCase(Shape.PAPER, Scale.TINY, Variant.MOLAE, ExpertLoad.BALANCED, 1);
        try (Contender contender = Implementation.MOLAE.open(other, Precision.FLOAT32)) {
            assertThatThrownBy(() -> new Reference(layer).checkOutput(0, contender.output(0), Precision.FLOAT32))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    /** One weight of the expert chosen first, of about two million, is one larger. */
    @Test
    void oneWrongWeightIsNoticed() {
        LayerCase layer = new LayerCase(Shape.PAPER, Scale.TINY, Variant.MOE, ExpertLoad.BALANCED, 1);
        int chosen = layer.routing(layer.input(0)).experts()[0][0];
        new Reference(layer).checkOutput(0, outputWith(layer, 0, chosen), Precision.FLOAT32);
        assertThatThrownBy(() -> new Reference(layer).checkOutput(0, outputWith(layer, 1, chosen), Precision.FLOAT32))
                .isInstanceOf(IllegalStateException.class);
    }

    private static float[] outputWith(LayerCase layer, float wrong, int expert) {
        MoeSpec spec = layer.spec();
        MoeBlock block = new MoeBlock(spec);
        // Only the thread that loaded the engine may write to parameters without it.
        try (NDManager manager = NDManager.newBaseManager();
                NoGrad noGrad = new NoGrad()) {
            block.initialize(manager, DataType.FLOAT32, new ai.djl.ndarray.types.Shape(1, spec.hiddenSize()));
            for (ParameterShape parameter : spec.parameters()) {
                NDArray array =
                        block.getDirectParameters().get(parameter.name()).getArray();
                for (int i = 0; i < parameter.shape().get(0); i++) {
                    float[] slice = layer.slice(parameter, i);
                    if (parameter.name().equals("down") && i == expert) {
                        slice[slice.length - 1] += wrong;
                    }
                    array.set(new NDIndex(i), manager.create(slice, array.get(i).getShape()));
                }
            }
            NDArray x = manager.create(layer.input(0), new ai.djl.ndarray.types.Shape(1, spec.hiddenSize()));
            return block.forward(new ParameterStore(manager, false), new NDList(x), false)
                    .singletonOrThrow()
                    .toFloatArray();
        }
    }
}
