package ai.molae.spec;

/** The non-linearity σ inside an expert, with its derivative, in double precision. */
public enum Activation {
    /** {@code x · sigmoid(x)}; with gated experts this is SwiGLU. */
    SILU {
        @Override
        public double apply(double x) {
            return x * sigmoid(x);
        }

        @Override
        public double derivative(double x) {
            double s = sigmoid(x);
            return s * (1 + x * (1 - s));
        }
    },
    /** {@code x · Φ(x)} with the exact normal distribution function Φ. */
    GELU {
        @Override
        public double apply(double x) {
            return x * NormalDistribution.cdf(x);
        }

        @Override
        public double derivative(double x) {
            return NormalDistribution.cdf(x) + x * NormalDistribution.density(x);
        }
    },
    /** GELU by its tanh approximation, {@code ½x(1 + tanh(√(2/π)(x + 0.044715x³)))}. */
    GELU_TANH {
        @Override
        public double apply(double x) {
            return 0.5 * x * (1 + Math.tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x)));
        }

        @Override
        public double derivative(double x) {
            double t = Math.tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x));
            return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x);
        }
    },
    /** {@code max(x, 0)}; its derivative at 0 is taken as 0. */
    RELU {
        @Override
        public double apply(double x) {
            return Math.max(x, 0);
        }

        @Override
        public double derivative(double x) {
            return x > 0 ? 1 : 0;
        }
    },
    /** {@code max(x, 0)²} (Nemotron-H). */
    RELU_SQUARED {
        @Override
        public double apply(double x) {
            double positive = Math.max(x, 0);
            return positive * positive;
        }

        @Override
        public double derivative(double x) {
            return 2 * Math.max(x, 0);
        }
    };

    private static final double GELU_SCALE = Math.sqrt(2 / Math.PI);
    private static final double GELU_CUBIC = 0.044715;

    /**
     * Applies the activation.
     *
     * @param x the pre-activation
     * @return σ(x)
     */
    public abstract double apply(double x);

    /**
     * The derivative of the activation.
     *
     * @param x the pre-activation
     * @return σ′(x)
     */
    public abstract double derivative(double x);

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }
}
