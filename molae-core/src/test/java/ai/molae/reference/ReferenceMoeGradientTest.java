package ai.molae.reference;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.reference.ReferenceMoe.Forward;
import ai.molae.reference.ReferenceMoe.Gradients;
import ai.molae.route.Routing;
import ai.molae.spec.Activation;
import ai.molae.spec.MoeSpec;
import ai.molae.testing.RandomSpecs;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/**
 * Holds the hand-written backward against central finite differences of {@code Σ y·gradY + gradAux·auxLoss}, on random
 * layers. Every array (x and each parameter) is probed along one random direction over all its values, which no wrong
 * entry escapes, and at three single values. A probe is skipped where the loss has a kink between its ends: the choice
 * of experts changes, or a ReLU switches.
 */
class ReferenceMoeGradientTest {

    private static final int LAYERS = 300;
    private static final double STEP = 1e-5;

    private int probes;
    private int skipped;

    @Test
    void backwardIsTheDerivativeOfForward() {
        for (int seed = 0; seed < LAYERS; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            MoeSpec spec = RandomSpecs.next(random);
            Map<String, double[]> parameters = RandomSpecs.randomParameters(spec, random);
            int tokens = 1 + seed % 7;
            double[] flatX = flatten(RandomSpecs.randomTokens(spec, tokens, random));
            double[][] gradYTn = RandomSpecs.randomTokens(spec, tokens, random);
            double gradAux = random.nextGaussian();

            ReferenceMoe moe = new ReferenceMoe(spec, parameters);
            Gradients gradients = moe.backward(unflatten(flatX, spec.hiddenSize()), gradYTn, gradAux);
            Supplier<Evaluation> loss =
                    () -> evaluate(moe.forward(unflatten(flatX, spec.hiddenSize())), gradYTn, gradAux);
            String layer = "seed " + seed + ", " + tokens + " tokens, " + spec;
            probe(layer + ": x", spec, flatX, flatten(gradients.x()), loss, random);
            gradients
                    .parameters()
                    .forEach((name, gradient) ->
                            probe(layer + ": " + name, spec, parameters.get(name), gradient, loss, random));
        }
        assertThat(probes).isGreaterThan(20 * LAYERS);
        assertThat(skipped).as("skipped of %d probes", probes).isLessThan(probes / 50);
    }

    private record Evaluation(double loss, Routing routing) {}

    private static Evaluation evaluate(Forward forward, double[][] gradYTn, double gradAux) {
        double loss = gradAux * forward.auxLoss();
        for (int t = 0; t < gradYTn.length; t++) {
            loss += Matrix.dot(forward.y()[t], gradYTn[t]);
        }
        return new Evaluation(loss, forward.routing());
    }

    private void probe(
            String name,
            MoeSpec spec,
            double[] values,
            double[] gradient,
            Supplier<Evaluation> loss,
            SplittableRandom random) {
        double[] direction = random.doubles(values.length, -1, 1).toArray();
        double norm = Math.sqrt(Matrix.dot(direction, direction));
        Arrays.setAll(direction, i -> direction[i] / norm);
        compare(name + " along a random direction", spec, values, gradient, direction, loss);
        for (int probe = 0; probe < 3; probe++) {
            int index = random.nextInt(values.length);
            double[] unit = new double[values.length];
            unit[index] = 1;
            compare(name + "[" + index + "]", spec, values, gradient, unit, loss);
        }
    }

    private void compare(
            String name,
            MoeSpec spec,
            double[] values,
            double[] gradient,
            double[] direction,
            Supplier<Evaluation> loss) {
        Evaluation here = loss.get();
        double[] saved = values.clone();
        Matrix.addScaled(STEP, direction, values);
        Evaluation ahead = loss.get();
        System.arraycopy(saved, 0, values, 0, values.length);
        Matrix.addScaled(-STEP, direction, values);
        Evaluation behind = loss.get();
        System.arraycopy(saved, 0, values, 0, values.length);

        probes++;
        double forwards = (ahead.loss - here.loss) / STEP;
        double backwards = (here.loss - behind.loss) / STEP;
        double scale = Math.max(1, Math.abs(forwards));
        // one-sided slopes differ by O(STEP) where the loss is smooth and by O(1) across the kink of a ReLU; in between
        // the
        // kink is weak and the central slope is off by at most half their difference
        double bend = spec.activation() == Activation.RELU ? Math.abs(forwards - backwards) / scale : 0;
        if (bend > 1e-2 || !sameChoice(here, ahead) || !sameChoice(here, behind)) {
            skipped++;
            return;
        }
        double slope = (forwards + backwards) / 2;
        double error = Math.abs(Matrix.dot(gradient, direction) - slope) / scale;
        assertThat(error)
                .as("%s: backward %s, finite difference %s", name, Matrix.dot(gradient, direction), slope)
                .isLessThan(1e-6 + bend / 2);
    }

    private static boolean sameChoice(Evaluation a, Evaluation b) {
        return Arrays.deepEquals(a.routing.experts(), b.routing.experts())
                && Arrays.deepEquals(a.routing.kept(), b.routing.kept());
    }

    private static double[] flatten(double[][] rows) {
        return Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
    }

    private static double[][] unflatten(double[] values, int columns) {
        double[][] rows = new double[values.length / columns][];
        Arrays.setAll(rows, t -> Arrays.copyOfRange(values, t * columns, (t + 1) * columns));
        return rows;
    }
}
