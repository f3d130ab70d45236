package ai.molae.djl.chart;

import java.util.ArrayList;
import java.util.List;

/** Maps numbers to a range of pixels, linearly or by their logarithm, and knows round numbers between. */
final class Axis {

    private final double low;
    private final double high;
    private final boolean logarithmic;
    private final double from;
    private final double to;

    /**
     * An axis.
     *
     * @param low the least number; widened if it equals the greatest
     * @param high the greatest
     * @param logarithmic both are positive, and their ratio counts
     * @param from where the least is
     * @param to where the greatest is
     */
    Axis(double low, double high, boolean logarithmic, double from, double to) {
        this.logarithmic = logarithmic;
        this.from = from;
        this.to = to;
        if (high > low) {
            this.low = low;
            this.high = high;
        } else {
            double more = low == 0 ? 1 : Math.abs(low) * 0.1;
            this.low = low - more;
            this.high = low + more;
        }
    }

    double at(double value) {
        double share = logarithmic
                ? (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low))
                : (value - low) / (high - low);
        return from + share * (to - from);
    }

    /** Round numbers between the ends. */
    List<Double> ticks(int about) {
        return logarithmic && high / low > 8 ? powers(about) : multiples(about);
    }

    private List<Double> multiples(int about) {
        double rough = (high - low) / about;
        double unit = Math.pow(10, Math.floor(Math.log10(rough)));
        double step = unit * (rough / unit <= 1 ? 1 : rough / unit <= 2 ? 2 : rough / unit <= 5 ? 5 : 10);
        List<Double> ticks = new ArrayList<>();
        for (long i = (long) Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
            ticks.add(i * step);
        }
        return ticks;
    }

    /** Powers of ten, with 2 and 5 between if they are few, every so many if they are many. */
    private List<Double> powers(int about) {
        int first = (int) Math.floor(Math.log10(low));
        int last = (int) Math.floor(Math.log10(high));
        int every = Math.max(1, (last - first + 1) / about);
        int[] digits = last - first <= 2 ? new int[] {1, 2, 5} : new int[] {1};
        List<Double> ticks = new ArrayList<>();
        for (int power = first; power <= last; power += every) {
            for (int digit : digits) {
                double tick = digit * Math.pow(10, power);
                if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) {
                    ticks.add(tick);
                }
            }
        }
        return ticks;
    }
}
