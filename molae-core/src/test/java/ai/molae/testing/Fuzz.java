package ai.molae.testing;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A fuzzer: makes inputs from seeded random numbers and looks at what the code does with each. It may work, or refuse the input with one of
 * the exceptions it documents and a message that says what was wrong. Any other exception or error, a message that says nothing, a case that
 * takes more than {@value #MOST_SECONDS} s or allocates more than it was granted fails the test, with seed, case and the shortest input that
 * fails in the same way.
 *
 * <pre>
 *   -Dmolae.fuzz.seed=N       other inputs; 1 by default
 *   -Dmolae.fuzz.seconds=S    as many cases as fit into S seconds, instead of a fixed number
 *   -Dmolae.fuzz.case=C       this case alone
 * </pre>
 */
public final class Fuzz {

    /** A case beyond that hangs. */
    static final long MOST_SECONDS = 30;

    private static final int SHORTEST_MESSAGE = 10;
    private static final int LONGEST_MESSAGE = 10_000;
    private static final int SHRINKING_TRIES = 400;
    private static final int SHOWN = 2_000;

    private final String name;
    private final int cases;
    private final long seed = Long.getLong("molae.fuzz.seed", 1);
    private final long seconds = Long.getLong("molae.fuzz.seconds", 0);
    private final long only = Long.getLong("molae.fuzz.case", -1);
    private List<Class<? extends Throwable>> refusals = List.of(IllegalArgumentException.class, IOException.class);
    private Optional<String> named = Optional.empty();
    private long mostBytes = 256L << 20;
    private boolean shrinks = true;

    /** Makes an input. */
    public interface Generator {
        /** The input of a case; the same for the same numbers. */
        byte[] make(SplittableRandom random) throws Exception;
    }

    /** Tries an input. */
    public interface Check {
        /** Hands the input to the code under test, which may throw. */
        void run(byte[] input) throws Exception;
    }

    /**
     * What came of the cases.
     *
     * @param cases how many ran
     * @param worked how many inputs were accepted
     * @param refused how many were refused as they should be
     */
    public record Tally(long cases, long worked, long refused) {}

    private Fuzz(String name, int cases) {
        this.name = name;
        this.cases = cases;
    }

    /**
     * A fuzzer.
     *
     * @param name for messages and file names
     * @param cases how many cases the short form has
     */
    public static Fuzz of(String name, int cases) {
        return new Fuzz(name, cases);
    }

    /** What the code documents to throw; {@link IllegalArgumentException} and {@link IOException} unless said otherwise. */
    @SafeVarargs
    public final Fuzz refusedBy(Class<? extends Throwable>... types) {
        refusals = List.of(types);
        return this;
    }

    /** A word that every refusal has in its message, such as the file's name. */
    public Fuzz naming(String word) {
        named = Optional.of(word);
        return this;
    }

    /** How many bytes of heap a case may allocate in all; 256 MB unless said otherwise. */
    public Fuzz allocatingAtMost(long bytes) {
        mostBytes = bytes;
        return this;
    }

    /** Reports the input as it is: where a shorter one may mean more work, such as a command line without its limits. */
    public Fuzz withoutShrinking() {
        shrinks = false;
        return this;
    }

    /** Whether this is the form bounded by time: a test that demands a share of accepted inputs does so in the other. */
    public static boolean isLong() {
        return Long.getLong("molae.fuzz.seconds", 0) > 0 || Long.getLong("molae.fuzz.case", -1) >= 0;
    }

    /** Runs the cases, on a thread of their own. */
    public Tally run(Generator generator, Check check) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        long worked = 0;
        long number = 0;
        while (only >= 0 ? number == 0 : seconds > 0 ? System.nanoTime() < end : number < cases) {
            long current = only >= 0 ? only : number;
            byte[] input = input(generator, current);
            Optional<Throwable> thrown = timed(input, check, current);
            if (thrown.isPresent()) {
                Optional<String> fault = fault(thrown.get());
                if (fault.isPresent()) {
                    throw failure(current, fault.get(), shortest(input, check, thrown.get()), thrown.get());
                }
            } else {
                worked++;
            }
            number++;
        }
        Tally tally = new Tally(number, worked, number - worked);
        if (seconds > 0) {
            System.out.printf("fuzz %s: seed %d, %s%n", name, seed, tally);
        }
        return tally;
    }

    private byte[] input(Generator generator, long number) {
        try {
            return generator.make(new SplittableRandom(seed * 0x9E3779B97F4A7C15L + number));
        } catch (Exception e) {
            throw new AssertionError(name + ": no input for seed " + seed + ", case " + number, e);
        }
    }

    /** What an input throws; empty if it works. */
    private Optional<Throwable> timed(byte[] input, Check check, long number) {
        CompletableFuture<Optional<Throwable>> result = new CompletableFuture<>();
        Thread thread = new Thread(() -> result.complete(thrown(input, check)), "fuzz " + name);
        thread.setDaemon(true);
        thread.start();
        try {
            return result.get(MOST_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            AssertionError hang = new AssertionError("it stands here");
            hang.setStackTrace(thread.getStackTrace());
            throw failure(number, "hangs: not done after " + Duration.ofSeconds(MOST_SECONDS), input, hang);
        } catch (InterruptedException | ExecutionException e) {
            throw new AssertionError(name, e);
        }
    }

    private Optional<Throwable> thrown(byte[] input, Check check) {
        ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = memory.getCurrentThreadAllocatedBytes();
        try {
            check.run(input.clone());
        } catch (Throwable e) {
            return Optional.of(e);
        }
        long allocated = memory.getCurrentThreadAllocatedBytes() - before;
        return allocated <= mostBytes
                ? Optional.empty()
                : Optional.of(new TooMuchMemory(allocated + " bytes were allocated, " + mostBytes + " are granted"));
    }

    private static final class TooMuchMemory extends Error {
        private static final long serialVersionUID = 1L;

        TooMuchMemory(String message) {
            super(message);
        }
    }

    /** What is wrong with an exception; empty if it is as documented. */
    private Optional<String> fault(Throwable thrown) {
        if (!isRefusal(thrown)) {
            return Optional.of("throws " + thrown);
        }
        String message = String.valueOf(thrown.getMessage());
        if (message.length() < SHORTEST_MESSAGE || message.length() > LONGEST_MESSAGE) {
            return Optional.of("has a message of " + message.length() + " characters: "
                    + message.substring(0, Math.min(SHOWN, message.length())));
        }
        return named.filter(word -> !message.contains(word))
                .map(word -> "has a message that does not name " + word + ": " + message);
    }

    /** The JDK's own subclasses of {@link IllegalArgumentException}, such as NumberFormatException, do not say what to do. */
    private boolean isRefusal(Throwable thrown) {
        boolean documented = refusals.stream().anyMatch(type -> type.isInstance(thrown));
        boolean own = thrown.getClass().getName().startsWith("ai.molae.");
        boolean plain = refusals.contains(thrown.getClass());
        return documented && (own || plain || thrown instanceof IOException || thrown instanceof UncheckedIOException);
    }

    /** Leaves pieces out, from half of the input to single bytes, as long as the same goes wrong. */
    private byte[] shortest(byte[] input, Check check, Throwable wanted) {
        byte[] best = input;
        if (!shrinks) {
            return best;
        }
        int tries = 0;
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(MOST_SECONDS / 3);
        for (int piece = Math.max(1, input.length / 2); piece >= 1; piece /= 2) {
            for (int at = 0; at < best.length && tries < SHRINKING_TRIES && System.nanoTime() < end; tries++) {
                byte[] shorter = without(best, at, Math.min(best.length, at + piece));
                Optional<Throwable> thrown = thrown(shorter, check);
                if (thrown.isPresent() && isSame(thrown.get(), wanted)) {
                    best = shorter;
                } else {
                    at += piece;
                }
            }
        }
        return best;
    }

    private boolean isSame(Throwable one, Throwable other) {
        return one.getClass() == other.getClass()
                && fault(one).isPresent()
                && place(one).equals(place(other));
    }

    private static String place(Throwable thrown) {
        return Arrays.stream(thrown.getStackTrace()).limit(1).toList().toString();
    }

    private static byte[] without(byte[] bytes, int from, int to) {
        byte[] rest = new byte[bytes.length - (to - from)];
        System.arraycopy(bytes, 0, rest, 0, from);
        System.arraycopy(bytes, to, rest, from, bytes.length - to);
        return rest;
    }

    private AssertionError failure(long number, String what, byte[] input, Throwable cause) {
        Path file = Path.of("target", "fuzz", name.replaceAll("\\W+", "-") + "-" + seed + "-" + number);
        String kept;
        try {
            Files.createDirectories(file.getParent());
            Files.write(file, input);
            kept = file.toAbsolutePath().toString();
        } catch (IOException e) {
            kept = "nowhere (" + e + ")";
        }
        String text = new String(input, StandardCharsets.UTF_8);
        return new AssertionError(
                name + ": seed " + seed + ", case " + number + " (-Dmolae.fuzz.seed=" + seed + " -Dmolae.fuzz.case="
                        + number + ") " + what + "\ninput of " + input.length + " bytes, in " + kept + ":\n"
                        + text.substring(0, Math.min(SHOWN, text.length())),
                cause);
    }
}
