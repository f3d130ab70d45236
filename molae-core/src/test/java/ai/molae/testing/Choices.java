package ai.molae.testing;

import java.util.Arrays;
import java.util.List;

/** Decisions read from bytes, so that a fuzzer can shorten what it found: where the bytes end, every decision is the first. */
public final class Choices {

    private final byte[] bytes;
    private final StringBuilder log = new StringBuilder();
    private int at;

    /** Reads from the first byte on. */
    public Choices(byte[] bytes) {
        this.bytes = bytes;
    }

    /** A number below a bound, which is at most 65536. */
    public int below(int bound) {
        int first = at < bytes.length ? bytes[at++] & 0xff : 0;
        int second = bound > 256 && at < bytes.length ? bytes[at++] & 0xff : 0;
        return (first + 256 * second) % bound;
    }

    /** One of some values; noted under a name. */
    public <T> T pick(String name, List<T> values) {
        T value = values.get(below(values.size()));
        log.append(name).append(" = ").append(value).append(", ");
        return value;
    }

    /** One of some values; noted under a name. */
    @SafeVarargs
    public final <T> T pick(String name, T... values) {
        return pick(name, Arrays.asList(values));
    }

    /** Heads or tails. */
    public boolean flag(String name) {
        return pick(name, false, true);
    }

    /** Everything that was noted. */
    @Override
    public String toString() {
        return log.toString();
    }
}
