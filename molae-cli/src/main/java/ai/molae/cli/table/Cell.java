package ai.molae.cli.table;

import java.util.Locale;
import java.util.Optional;

/**
 * An entry of a table: what programs read, and what people read.
 *
 * @param value a number, a text or a truth value; empty for none
 * @param text for people
 */
public record Cell(Optional<Object> value, String text) {

    private static final String NONE = "-";

    /**
     * Nothing to say.
     *
     * @return an empty cell
     */
    public static Cell none() {
        return new Cell(Optional.empty(), NONE);
    }

    /**
     * A text.
     *
     * @param text the text
     * @return the cell
     */
    public static Cell text(String text) {
        return new Cell(Optional.of(text), text);
    }

    /**
     * Yes or no.
     *
     * @param value the value
     * @return the cell
     */
    public static Cell yesNo(boolean value) {
        return new Cell(Optional.of(value), value ? "yes" : "no");
    }

    /**
     * A number of things.
     *
     * @param count the number, exact
     * @return the cell
     */
    public static Cell count(long count) {
        return new Cell(Optional.of(count), String.format(Locale.ROOT, "%,d", count));
    }

    /**
     * An expected number of things.
     *
     * @param count the number
     * @return the cell, without a fraction if there is none
     */
    public static Cell expectedCount(double count) {
        return count == Math.rint(count) && Math.abs(count) < 1L << 53
                ? count((long) count)
                : new Cell(Optional.of(count), String.format(Locale.ROOT, "%,.1f", count));
    }

    /**
     * A number that is a name, such as a layer's.
     *
     * @param id the number
     * @return the cell
     */
    public static Cell id(long id) {
        return new Cell(Optional.of(id), String.valueOf(id));
    }

    /**
     * Bytes.
     *
     * @param bytes how many
     * @return the cell, with a prefix for people
     */
    public static Cell bytes(long bytes) {
        return new Cell(Optional.of(bytes), Unit.BYTE.human(bytes));
    }

    /**
     * An expected number of bytes.
     *
     * @param bytes how many
     * @return the cell, with a prefix for people
     */
    public static Cell expectedBytes(double bytes) {
        return new Cell(expectedCount(bytes).value(), Unit.BYTE.human(bytes));
    }

    /**
     * Floating-point operations.
     *
     * @param flops how many
     * @return the cell, with a prefix for people
     */
    public static Cell flops(double flops) {
        return new Cell(expectedCount(flops).value(), Unit.FLOP.human(flops));
    }

    /**
     * A time.
     *
     * @param seconds how long
     * @return the cell, with a prefix for people
     */
    public static Cell seconds(double seconds) {
        return new Cell(Optional.of(seconds), Unit.SECOND.human(seconds));
    }

    /**
     * A part of a whole.
     *
     * @param share between 0 and 1
     * @return the cell, in percent for people
     */
    public static Cell share(double share) {
        return new Cell(Optional.of(share), String.format(Locale.ROOT, "%.2f %%", 100 * share));
    }

    /**
     * A number.
     *
     * @param value the number; NaN for none
     * @param digits how many people see behind the point
     * @return the cell
     */
    public static Cell number(double value, int digits) {
        return Double.isNaN(value)
                ? none()
                : new Cell(Optional.of(value), String.format(Locale.ROOT, "%,." + digits + "f", value));
    }

    /** Whether it stands on the right of its column. */
    boolean isNumber() {
        return value.filter(Number.class::isInstance).isPresent() || value.isEmpty();
    }
}
