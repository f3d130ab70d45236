package ai.molae.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

/** Windows, clipping, biases and scales of attention. */
class AttentionSpecTest {

    private static GroupedQueryAttentionSpec grouped(double clip, Optional<SlidingWindow> window) {
        return new GroupedQueryAttentionSpec(4, 2, 8, RopeSpec.of(1e4), false, true, QkNorm.NONE, clip, window);
    }

    private static LatentAttentionSpec latent(RopeScaling scaling, double normEps) {
        return new LatentAttentionSpec(2, 0, 5, 6, 10, 7, new RopeSpec(1e4, true, scaling), normEps, true);
    }

    @Test
    void onlySlidingLayersHaveAWindow() {
        GroupedQueryAttentionSpec spec = grouped(1, Optional.of(new SlidingWindow(3, Set.of(0, 2))));
        assertThat(spec.window(0)).isEqualTo(3);
        assertThat(spec.window(1)).isEqualTo(Integer.MAX_VALUE);
        assertThat(spec.window(2)).isEqualTo(3);
        assertThat(grouped(1, Optional.empty()).window(0)).isEqualTo(Integer.MAX_VALUE);
    }

    @Test
    void slidingLayersAreCopiedAndSorted() {
        Set<Integer> layers = new HashSet<>(List.of(17, 3, 40));
        SlidingWindow window = new SlidingWindow(2, layers);
        layers.add(1);
        assertThat(window.layers()).containsExactly(3, 17, 40);
        assertThatThrownBy(() -> window.layers().add(1)).isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void windowsOutOfRangeAreNamed() {
        rejects(() -> new SlidingWindow(0, Set.of(0)), "slidingWindow size must be positive, got 0");
        rejects(() -> new SlidingWindow(9, Set.of()), "a sliding window of 9 positions in no layer; leave it out");
        rejects(() -> new SlidingWindow(9, Set.of(-1)), "sliding layers are indices from 0, got -1");
    }

    @Test
    void clippingIsPositiveOrNever() {
        assertThat(grouped(Double.POSITIVE_INFINITY, Optional.empty()).clipQkv())
                .isInfinite();
        rejects(() -> grouped(0, Optional.empty()), "clipQkv must be positive (infinity: never), got 0.0");
        rejects(() -> grouped(-8, Optional.empty()), "clipQkv must be positive (infinity: never), got -8.0");
        rejects(() -> grouped(Double.NaN, Optional.empty()), "got NaN");
    }

    @Test
    void theShortConstructorsLeaveEveryOptionOff() {
        GroupedQueryAttentionSpec spec = new GroupedQueryAttentionSpec(4, 2, 8, 1e4, true, QkNorm.NONE);
        assertThat(spec.outputBias()).isFalse();
        assertThat(spec.clipQkv()).isInfinite();
        assertThat(spec.slidingWindow()).isEmpty();
        assertThat(spec.rope()).isEqualTo(RopeSpec.of(1e4));
        LatentAttentionSpec latent = new LatentAttentionSpec(2, 0, 5, 6, 10, 7, 1e4);
        assertThat(latent.bias()).isFalse();
        assertThat(latent.normEps()).isEqualTo(1e-6);
        assertThat(latent.rope()).isEqualTo(new RopeSpec(1e4, true, new RopeScaling.None()));
    }

    @Test
    void theSoftmaxIsScaledByTheHeadAndYarn() {
        assertThat(latent(new RopeScaling.None(), 1e-6).softmaxScale()).isEqualTo(0.25); // (6 + 10)^-½
        assertThat(latent(new RopeScaling.Linear(4), 1e-6).softmaxScale()).isEqualTo(0.25);
        RopeScaling yarn = new RopeScaling.Yarn(4, 64, 32, 1, 7, 1.5, true);
        assertThat(latent(yarn, 1e-6).softmaxScale()).isCloseTo(0.25 * 2.25, within(1e-15));
    }

    @Test
    void innerNormsNeedAPositiveEpsilon() {
        assertThat(latent(new RopeScaling.None(), 0.5).normEps()).isEqualTo(0.5);
        rejects(() -> latent(new RopeScaling.None(), 0), "normEps must be finite and positive, got 0.0");
    }

    private static void rejects(ThrowingCallable code, String message) {
        assertThatIllegalArgumentException().isThrownBy(code).withMessageContaining(message);
    }
}
