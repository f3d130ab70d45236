package ai.molae.cli.plan;

import ai.molae.cli.table.Unit;
import java.util.Optional;

/**
 * One quantity of both layers or models; the numbers are exact, or exact expectations.
 *
 * @param subject the preset, or {@code layers}
 * @param section what the quantity belongs to
 * @param name the quantity
 * @param unit its unit
 * @param moe the standard MoE's; empty where a standard MoE has none
 * @param molae the MoLAE's
 */
public record Row(String subject, String section, String name, Unit unit, Optional<Number> moe, Number molae) {

    private static final int ROUNDING_ULPS = 64;

    /**
     * What MoLAE takes of the standard MoE.
     *
     * @return MoLAE / MoE; empty where the MoE has none or zero
     */
    public Optional<Double> ratio() {
        return moe.map(Number::doubleValue).filter(of -> of != 0).map(of -> molae.doubleValue() / of);
    }

    /** A whole number as a long, so that every format writes all its digits; a sum may miss it by rounding. */
    static Number exact(double value) {
        double whole = Math.rint(value);
        if (Math.abs(value - whole) <= ROUNDING_ULPS * Math.ulp(value) && Math.abs(value) < 1L << 53) {
            return (long) whole;
        }
        return value;
    }
}
