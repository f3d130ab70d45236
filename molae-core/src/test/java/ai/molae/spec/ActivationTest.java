package ai.molae.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ActivationTest {

    /** Values and derivatives computed with mpmath to 40 digits: x/(1+exp(−x)), x·ncdf(x) and the tanh formula. */
    @ParameterizedTest
    @CsvSource({
        "SILU,        -3,  -0.14227761953270034264,   -0.088104106015169617069",
        "SILU,         1,   0.73105857863000487925,    0.92767051187148673179",
        "GELU,       -10,  -7.619853024160526066e-23, -7.6184000964648140857e-22",
        "GELU,        -5,  -1.4332578593959695584e-6, -7.1469460017922946279e-6",
        "GELU,      -3.5,  -0.00081420177662433762722,-0.0028217603536246351933",
        "GELU,      -2.9,  -0.0054108585711137100559, -0.015396530716965938103",
        "GELU,        -1,  -0.15865525393145705141,   -0.083315470587686298383",
        "GELU,       0.5,   0.34573123063700655182,    0.86749512465616284253",
        "GELU,         2,   1.9544997361036415856,     1.0852318010781968967",
        "GELU,       3.5,   3.4991857982233756624,     1.0028217603536246352",
        "GELU_TANH,   -3,  -0.0036373920817730188378, -0.011584166630969726204",
        "GELU_TANH,    1,   0.84119199060827670478,    1.0829640838457825551",
        "RELU,       2.5,   2.5,                       1",
        "RELU,      -2.5,   0,                         0",
        "RELU_SQUARED, 3,   9,                         6",
        "RELU_SQUARED,-3,   0,                         0",
    })
    void hasItsKnownValuesAndDerivatives(Activation activation, double x, double value, double derivative) {
        assertThat(activation.apply(x)).isCloseTo(value, within(Math.max(1e-300, 1e-12 * Math.abs(value))));
        assertThat(activation.derivative(x))
                .isCloseTo(derivative, within(Math.max(1e-300, 1e-12 * Math.abs(derivative))));
    }

    @ParameterizedTest
    @EnumSource
    void derivativeIsTheSlope(Activation activation) {
        double step = 1e-5;
        for (double x = -7.95; x < 8; x += 0.1) {
            double slope = (activation.apply(x + step) - activation.apply(x - step)) / (2 * step);
            assertThat(activation.derivative(x)).as("%s at %s", activation, x).isCloseTo(slope, within(1e-8));
        }
    }

    @ParameterizedTest
    @EnumSource
    void isZeroAtZeroAndNegligibleFarBelow(Activation activation) {
        assertThat(activation.apply(0)).isZero();
        assertThat(activation.apply(-800)).isZero();
        assertThat(activation.derivative(-800)).isZero();
        assertThat(activation.apply(800)).isEqualTo(activation == Activation.RELU_SQUARED ? 640_000 : 800);
    }

    @ParameterizedTest
    @EnumSource
    void passesNaNOn(Activation activation) {
        assertThat(activation.apply(Double.NaN)).isNaN();
    }

    @Test
    void geluIsSmoothWhereItsTwoFormulasMeet() {
        // the series ends and the continued fraction begins at |x| = 3
        for (double x : new double[] {-3, 3}) {
            double jump = Activation.GELU.apply(Math.nextDown(x)) - Activation.GELU.apply(Math.nextUp(x));
            assertThat(jump).isCloseTo(0, within(1e-14));
        }
    }
}
