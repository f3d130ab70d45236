package ai.molae.bench.soak;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RoundsTest {

    @Test
    void seedsTakeTurns() throws IOException, InterruptedException {
        List<Long> seeds = new ArrayList<>();
        Rounds rounds = new Rounds(7, Map.of("work", seed -> {
            seeds.add(seed);
            return "equal";
        }));

        for (int i = 0; i < 4; i++) {
            rounds.next();
        }

        assertThat(seeds).containsExactly(7L, 8L, 7L, 8L);
        assertThat(rounds.done()).isEqualTo(4);
    }

    @Test
    void anotherResultForTheSameSeedIsRefused() throws IOException, InterruptedException {
        List<Long> calls = new ArrayList<>();
        Rounds rounds = new Rounds(1, Map.of("training", seed -> {
            calls.add(seed);
            return "seed " + seed + (calls.size() == 4 ? " changed" : "");
        }));
        for (int i = 0; i < 3; i++) {
            rounds.next();
        }

        assertThatThrownBy(rounds::next)
                .isInstanceOf(DifferentResultException.class)
                .hasMessageContainingAll("round 4", "training", "seed 2 changed");
    }

    @Test
    void aThreadThatGetsAnotherTokenThanAloneIsNamed() {
        List<int[]> alone = List.of(new int[] {1, 2}, new int[] {3, 4});

        InferenceWork.checkEqual(alone, List.of(new int[] {1, 2}, new int[] {3, 4}));
        assertThatThrownBy(() -> InferenceWork.checkEqual(alone, List.of(new int[] {1, 2}, new int[] {3, 5})))
                .isInstanceOf(DifferentResultException.class)
                .hasMessage("thread 1 of 2 got the tokens [3, 5], alone it gets [3, 4]");
    }
}
