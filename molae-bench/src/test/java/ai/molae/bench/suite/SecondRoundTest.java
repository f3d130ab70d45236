package ai.molae.bench.suite;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.results.Result;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class SecondRoundTest {

    private final List<Result> results = new ArrayList<>();

    /** Its only value says how badly it was disturbed. */
    private void add(String benchmark, String shape, String variant, String implementation, double degree) {
        results.add(new Result(
                "ai.molae.bench.layer." + benchmark,
                new TreeMap<>(Map.of("shape", shape, "variant", variant, "implementation", implementation)),
                List.of(List.of(degree)),
                Result.MILLISECONDS,
                Map.of()));
    }

    /** A standard layer and a MoLAE for each of some shapes, undisturbed. */
    private void addPairs(int shapes) {
        for (int i = 0; i < shapes; i++) {
            add("LayerForward.forward", "S" + i, "MOE", "MOLAE", 0.5);
            add("LayerForward.forward", "S" + i, "MOLAE", "MOLAE", 0.5);
        }
    }

    private List<Integer> places() {
        return new SecondRound(results, Result::milliseconds).places();
    }

    @Test
    void ofThirtyTrialsTheWorstIsRunAgainAndNotTheFirst() {
        add("LayerForward.forward", "P", "MOE", "MOLAE", 1.1);
        addPairs(14);
        add("LayerDecode.decode", "P", "MOE", "MOLAE", 3);

        assertThat(places()).containsExactly(29);
    }

    @Test
    void aMolaeBringsItsStandardLayerWithIt() {
        add("LayerForward.forward", "P", "MOE", "MOLAE", 0.1);
        add("LayerForward.forward", "P", "MOLAE", "MOLAE", 2);
        addPairs(3);

        assertThat(places()).containsExactly(0, 1);
    }

    @Test
    void aStandardLayerBringsItsMolaeAndNoOther() {
        add("LayerForward.forward", "P", "MOE", "MOLAE", 2);
        add("LayerForward.forward", "P", "MOLAE_EIGHT", "MOLAE", 0.1);
        add("LayerForward.forward", "P", "MOLAE", "MOLAE", 0.1);
        add("LayerDecode.decode", "P", "MOLAE", "MOLAE", 0.1);
        add("LayerForward.forward", "Q", "MOLAE", "MOLAE", 0.1);

        assertThat(places()).containsExactly(0, 2);
    }

    @Test
    void everyOtherVariantBringsTheStandardLayer() {
        add("LayerForward.forward", "P", "MOE", "MOLAE", 0.1);
        add("LayerForward.forward", "P", "MOLAE", "MOLAE", 0.1);
        add("LayerForward.forward", "P", "MOLAE_EIGHT", "MOLAE", 2);

        assertThat(places()).containsExactly(0, 2);
    }

    @Test
    void atMostATwentiethBesidesTheirPartners() {
        addPairs(17);
        for (int i = 0; i < 3; i++) {
            add("LayerDecode.decode", "T" + i, "MOE", "MOLAE", 2 + i);
            add("LayerDecode.decode", "T" + i, "MOLAE", "MOLAE", 0.5);
        }

        assertThat(places()).containsExactly(36, 37, 38, 39);
    }

    @Test
    void librariesThatDisturbThemselvesAreLeftAlone() {
        add("LayerForward.forward", "P", "MOE", "ONNX_RUNTIME", 9);
        add("LayerForward.forward", "P", "MOE", "MOLAE", 1);

        assertThat(places()).isEmpty();
    }
}
