package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.Objects;

/**
 * Rotary position embedding (Su et al., arXiv 2104.09864): pairs of a head's columns are turned by {@code position · ω_i}.
 *
 * @param theta θ, base of the frequencies ({@code rope_theta})
 * @param interleaved whether pair i is columns {@code 2i, 2i + 1} (DeepSeek) instead of {@code i, i + d/2} (everybody else)
 * @param scaling how frequencies are changed for longer sequences ({@code rope_scaling})
 */
public record RopeSpec(double theta, boolean interleaved, RopeScaling scaling) {

    /**
     * Validates the fields.
     *
     * @param theta θ
     * @param interleaved whether pairs are neighbours
     * @param scaling how frequencies are changed
     * @throws IllegalArgumentException if θ is not finite, less than 1, or with YaRN not more than 1
     */
    public RopeSpec {
        Checks.finitePositive("ropeTheta", theta);
        Objects.requireNonNull(scaling, "scaling");
        Checks.check(theta >= 1, "ropeTheta must be at least 1, got %s", theta);
        Checks.check(
                !(scaling instanceof RopeScaling.Yarn) || theta > 1,
                "YaRN needs a ropeTheta of more than 1, because it divides by its logarithm; got %s",
                theta);
    }

    /**
     * Frequencies as they are, pairs half a head apart.
     *
     * @param theta θ
     * @return the spec
     * @throws IllegalArgumentException if θ is not finite, less than 1, or with YaRN not more than 1
     */
    public static RopeSpec of(double theta) {
        return new RopeSpec(theta, false, new RopeScaling.None());
    }

    /**
     * What cosines and sines are multiplied by.
     *
     * @return YaRN's attention factor, otherwise 1
     */
    public double attentionFactor() {
        return scaling instanceof RopeScaling.Yarn yarn ? yarn.attentionFactor() : 1;
    }

    /**
     * The frequencies, after scaling.
     *
     * @param dim d, the number of columns that are turned; even
     * @param length the length of the sequence so far, which only {@link RopeScaling.Dynamic} looks at
     * @return ω {@code [d/2]} in radians per position, a new array
     */
    public double[] frequencies(int dim, int length) {
        double[] frequencies = new double[dim / 2];
        double base = base(dim, length);
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = Math.pow(base, -2.0 * i / dim);
        }
        if (scaling instanceof RopeScaling.Linear linear) {
            for (int i = 0; i < frequencies.length; i++) {
                frequencies[i] /= linear.factor();
            }
        } else if (scaling instanceof RopeScaling.Yarn yarn) {
            yarn(frequencies, dim, yarn);
        } else if (scaling instanceof RopeScaling.Llama3 llama3) {
            llama3(frequencies, llama3);
        }
        return frequencies;
    }

    private double base(int dim, int length) {
        if (!(scaling instanceof RopeScaling.Dynamic dynamic) || length <= dynamic.originalMaxPositionEmbeddings()) {
            return theta;
        }
        double stretch = dynamic.factor() * length / dynamic.originalMaxPositionEmbeddings() - (dynamic.factor() - 1);
        return theta * Math.pow(stretch, dim / (dim - 2.0));
    }

    private void yarn(double[] frequencies, int dim, RopeScaling.Yarn yarn) {
        double low = columnOfTurns(yarn.betaFast(), dim, yarn.originalMaxPositionEmbeddings());
        double high = columnOfTurns(yarn.betaSlow(), dim, yarn.originalMaxPositionEmbeddings());
        if (yarn.truncate()) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        low = Math.max(low, 0);
        high = Math.min(high, dim - 1);
        if (low == high) {
            high += 0.001;
        }
        for (int i = 0; i < frequencies.length; i++) {
            double interpolated = Math.min(Math.max((i - low) / (high - low), 0), 1);
            frequencies[i] = frequencies[i] * (1 - interpolated) + frequencies[i] / yarn.factor() * interpolated;
        }
    }

    /** The column, as a real number, that turns so many times in the trained length. */
    private double columnOfTurns(double turns, int dim, int trainedLength) {
        return dim * Math.log(trainedLength / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
    }

    private static void llama3(double[] frequencies, RopeScaling.Llama3 llama3) {
        double length = llama3.originalMaxPositionEmbeddings();
        for (int i = 0; i < frequencies.length; i++) {
            double wavelengths = length * frequencies[i] / (2 * Math.PI);
            double kept = (wavelengths - llama3.lowFreqFactor()) / (llama3.highFreqFactor() - llama3.lowFreqFactor());
            kept = Math.min(Math.max(kept, 0), 1);
            frequencies[i] = frequencies[i] * kept + frequencies[i] / llama3.factor() * (1 - kept);
        }
    }
}
