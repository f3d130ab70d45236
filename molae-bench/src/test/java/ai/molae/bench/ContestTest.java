package ai.molae.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Turns, calls and inputs of a contest; not its figures. */
class ContestTest {

    @Test
    void everyRoundRunsEachContestantOnceWithTheSameCallNumbers() {
        List<String> order = new ArrayList<>();
        Contest contest = new Contest(2);
        contest.add("a", call -> order.add("a" + call));
        contest.add("b", call -> order.add("b" + call));

        Map<String, Double> medians = contest.medianMillis(3);

        int counted = 3 * 2 * 2;
        assertThat(order.subList(order.size() - counted, order.size()))
                .containsExactly("a0", "a1", "b0", "b1", "a2", "a3", "b2", "b3", "a4", "a5", "b4", "b5");
        assertThat(order.size()).as("calls before the first round").isGreaterThanOrEqualTo(counted + 6);
        assertThat(medians).containsOnlyKeys("a", "b");
        assertThat(medians.values()).allMatch(millis -> millis >= 0);
    }
}
