package ai.molae.djl.convert.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.cost.CostModel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BreakEvenTest {

    /** The paper's pair: 32·256·512 / (32·256 + 4·512) = 409.6. The second saves nothing at exactly 2·4·4/(2·4 + 2·4) = 2; the third never. */
    @ParameterizedTest
    @CsvSource({"32, 4, 256, 512, 409", "2, 2, 4, 4, 1", "1, 1, 1, 1, 0", "128, 1, 768, 2048, 2006"})
    void theRankIsTheLargestThatSavesParameters(int experts, int groups, int m, int n, int rank) {
        assertThat(BreakEven.rank(experts, groups, m, n)).isEqualTo(rank);
        assertThat((double) rank)
                .isLessThan(CostModel.breakEvenLatentSize(n, m, experts, groups))
                .isGreaterThanOrEqualTo(CostModel.breakEvenLatentSize(n, m, experts, groups) - 1);
    }

    /** n/(n − m) = 512/256 and 2048/1280; with r = 512: 2048·512/(768·1536). */
    @Test
    void theGroupSizeIsThatOfThePaperWhereTheLatentSizeIsM() {
        assertThat(BreakEven.groupSize(256, 512, 256)).isEqualTo(2);
        assertThat(BreakEven.groupSize(768, 2048, 768)).isCloseTo(1.6, within(1e-12));
        assertThat(BreakEven.groupSize(768, 2048, 512)).isCloseTo(0.8889, within(1e-4));
        assertThat(BreakEven.groupSize(4, 4, 4)).isInfinite();
        assertThat(BreakEven.groupSize(8, 4, 8)).isInfinite();
    }
}
