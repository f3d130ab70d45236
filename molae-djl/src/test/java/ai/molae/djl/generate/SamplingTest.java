package ai.molae.djl.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SamplingTest {

    @Test
    void drawsFromTheModelsOwnDistributionByDefault() {
        assertThat(Sampling.builder().build()).isEqualTo(new Sampling(1, 0, 1, 0, 1, 0, 128, Set.of()));
    }

    @Test
    void greedyIsTemperatureZero() {
        assertThat(Sampling.greedy(5)).isEqualTo(new Sampling(0, 0, 1, 0, 1, 0, 5, Set.of()));
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                refused(b -> b.optTemperature(-0.5), "temperature must be finite and at least 0, got -0.5"),
                refused(b -> b.optTemperature(Double.NaN), "temperature must be finite and at least 0, got NaN"),
                refused(b -> b.optTopK(-1), "topK must be at least 0 (0: all tokens), got -1"),
                refused(b -> b.optTopP(0), "topP must be in (0, 1], got 0.0"),
                refused(b -> b.optTopP(1.5), "topP must be in (0, 1], got 1.5"),
                refused(b -> b.optMinP(-0.1), "minP must be in [0, 1], got -0.1"),
                refused(b -> b.optMinP(1.5), "minP must be in [0, 1], got 1.5"),
                refused(b -> b.optMinP(Double.NaN), "minP must be in [0, 1], got NaN"),
                refused(b -> b.optRepetitionPenalty(0), "repetitionPenalty must be finite and positive, got 0.0"),
                refused(b -> b.optMaxNewTokens(0), "maxNewTokens must be at least 1, got 0"),
                refused(b -> b.optStopTokens(List.of(3, -2)), "stopTokens must be token ids, got -2"));
    }

    private static Arguments refused(UnaryOperator<Sampling.Builder> setting, String message) {
        return Arguments.of(setting, message);
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("refused")
    void refusesWhatIsOutOfRangeWithTheNumber(UnaryOperator<Sampling.Builder> setting, String message) {
        assertThatThrownBy(() -> setting.apply(Sampling.builder()).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }
}
