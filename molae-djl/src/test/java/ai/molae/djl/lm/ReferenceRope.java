package ai.molae.djl.lm;

import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;

/** Rotary position embedding in double precision, one pair of columns at a time, after the papers and Hugging Face's code. */
final class ReferenceRope {

    private ReferenceRope() {}

    /** Angle of each pair of columns of a head [d] at a position; the sequence had {@code length} tokens when it was read. */
    static double[] angles(RopeSpec spec, int d, int position, int length) {
        double[] angles = new double[d / 2];
        for (int i = 0; i < angles.length; i++) {
            angles[i] = position * frequency(spec, i, d, length);
        }
        return angles;
    }

    /** Turns the columns of a head from {@code from} on. */
    static double[] turned(RopeSpec spec, double[] head, int from, double[] angles) {
        double[] y = head.clone();
        double factor = spec.scaling() instanceof RopeScaling.Yarn yarn ? yarn.attentionFactor() : 1;
        for (int i = 0; i < angles.length; i++) {
            int a = from + (spec.interleaved() ? 2 * i : i);
            int b = from + (spec.interleaved() ? 2 * i + 1 : i + angles.length);
            // The complex number head[a] + i head[b] times e^(i angle).
            y[a] = factor * (head[a] * Math.cos(angles[i]) - head[b] * Math.sin(angles[i]));
            y[b] = factor * (head[a] * Math.sin(angles[i]) + head[b] * Math.cos(angles[i]));
        }
        return y;
    }

    private static double frequency(RopeSpec spec, int i, int d, int length) {
        double w = Math.pow(spec.theta(), -2.0 * i / d);
        if (spec.scaling() instanceof RopeScaling.Linear linear) {
            return w / linear.factor();
        }
        if (spec.scaling() instanceof RopeScaling.Dynamic dynamic) {
            double trained = dynamic.originalMaxPositionEmbeddings();
            double longer = Math.max(length, trained) / trained;
            double stretch = dynamic.factor() * longer - (dynamic.factor() - 1);
            return Math.pow(spec.theta() * Math.pow(stretch, d / (d - 2.0)), -2.0 * i / d);
        }
        if (spec.scaling() instanceof RopeScaling.Yarn yarn) {
            double low = column(yarn.betaFast(), spec, d, yarn);
            double high = column(yarn.betaSlow(), spec, d, yarn);
            double ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
            return w / yarn.factor() * ramp + w * (1 - ramp);
        }
        if (spec.scaling() instanceof RopeScaling.Llama3 llama3) {
            double wavelength = 2 * Math.PI / w;
            double trained = llama3.originalMaxPositionEmbeddings();
            if (wavelength > trained / llama3.lowFreqFactor()) {
                return w / llama3.factor();
            }
            if (wavelength < trained / llama3.highFreqFactor()) {
                return w;
            }
            double smooth = (trained / wavelength - llama3.lowFreqFactor())
                    / (llama3.highFreqFactor() - llama3.lowFreqFactor());
            return (1 - smooth) * w / llama3.factor() + smooth * w;
        }
        return w;
    }

    private static double column(double turns, RopeSpec spec, int d, RopeScaling.Yarn yarn) {
        double column = d
                * Math.log(yarn.originalMaxPositionEmbeddings() / (turns * 2 * Math.PI))
                / (2 * Math.log(spec.theta()));
        if (yarn.truncate()) {
            column = turns == yarn.betaFast() ? Math.floor(column) : Math.ceil(column);
        }
        return Math.min(d - 1, Math.max(0, column));
    }
}
