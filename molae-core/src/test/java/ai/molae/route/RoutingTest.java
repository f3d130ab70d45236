package ai.molae.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class RoutingTest {

    private static final int[][] EXPERTS = {{2, 0}, {2, 1}};
    private static final double[][] WEIGHTS = {{0.5, 0.5}, {0.7, 0}};
    private static final boolean[][] KEPT = {{true, true}, {true, false}};

    @Test
    void countsChoicesAndDrops() {
        Routing routing = new Routing(4, EXPERTS, WEIGHTS, KEPT, new double[2][4]);
        assertThat(routing.tokens()).isEqualTo(2);
        assertThat(routing.tokensPerExpert()).containsExactly(1, 1, 2, 0);
        assertThat(routing.tokensPerExpert(1, 2)).containsExactly(0, 1, 1, 0);
        assertThat(routing.dropped()).isEqualTo(1);
    }

    @Test
    void leavesTokensOut() {
        Routing routing = new Routing(4, EXPERTS, WEIGHTS, KEPT, new double[2][4]);
        Routing second = routing.only(new boolean[] {false, true});
        assertThat(second.tokensPerExpert()).containsExactly(0, 1, 1, 0);
        assertThat(second.dropped()).isEqualTo(1);
        assertThat(routing.only(new boolean[2]).tokens()).isZero();
        rejects(() -> routing.only(new boolean[3]), "got 3 flags for 2 tokens");
    }

    @Test
    void meanEntropyIsThatOfTheProbabilitiesInNats() {
        double[][] probabilities = {{0.25, 0.25, 0.25, 0.25}, {0.5, 0, 0.5, 0}};
        // ln 4 and ln 2
        assertThat(new Routing(4, EXPERTS, WEIGHTS, KEPT, probabilities).meanEntropy())
                .isCloseTo(1.5 * Math.log(2), within(1e-15));
        assertThat(new Routing(4, new int[0][], new double[0][], new boolean[0][], new double[0][]).meanEntropy())
                .isZero();
    }

    @Test
    void rejectsArraysThatDoNotFitTogether() {
        rejects(
                () -> new Routing(4, EXPERTS, new double[1][2], KEPT, new double[2][4]),
                "experts, weights, kept and probabilities need one row per token, got 2, 1, 2 and 2 rows");
        rejects(
                () -> new Routing(4, EXPERTS, new double[][] {{1, 1}, {1}}, KEPT, new double[2][4]),
                "token 1 has 2 experts, 1 weights and 2 kept flags, token 0 has 2 experts");
        rejects(
                () -> new Routing(4, EXPERTS, WEIGHTS, KEPT, new double[2][3]),
                "token 0 has 3 probabilities, numExperts = 4");
        rejects(
                () -> new Routing(2, EXPERTS, WEIGHTS, KEPT, new double[2][2]),
                "token 0 chose expert 2, numExperts = 2");
    }

    private static void rejects(ThrowingCallable code, String message) {
        assertThatIllegalArgumentException().isThrownBy(code).withMessage(message);
    }
}
