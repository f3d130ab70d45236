package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.Collections;
import java.util.Set;
import java.util.TreeSet;

/**
 * Layers whose attention sees only the last positions, its own included.
 *
 * @param size how many positions ({@code sliding_window})
 * @param layers which layers slide, by index from 0
 */
public record SlidingWindow(int size, Set<Integer> layers) {

    /**
     * Validates the fields.
     *
     * @param size how many positions
     * @param layers which layers slide
     * @throws IllegalArgumentException if the size is not positive, no layer slides, or an index is negative
     */
    public SlidingWindow {
        Checks.positive("slidingWindow size", size);
        Checks.check(!layers.isEmpty(), "a sliding window of %d positions in no layer; leave it out", size);
        for (int layer : layers) {
            Checks.check(layer >= 0, "sliding layers are indices from 0, got %d", layer);
        }
        layers = Collections.unmodifiableSet(new TreeSet<>(layers));
    }
}
