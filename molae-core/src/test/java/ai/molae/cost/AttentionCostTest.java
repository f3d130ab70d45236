package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class AttentionCostTest {

    private static long vectors(boolean qkvBias, boolean outputBias, QkNorm norm) {
        GroupedQueryAttentionSpec spec = new GroupedQueryAttentionSpec(
                3, 1, 4, RopeSpec.of(1e4), qkvBias, outputBias, norm, Double.POSITIVE_INFINITY, Optional.empty());
        return AttentionCost.of(spec, 10).vectorParameters();
    }

    @Test
    void biasesAreCountedWhereTheyAre() {
        // 3 query heads and 1 key/value head of 4, n = 10: q 12, k and v 4 each, o 10
        assertThat(vectors(false, false, QkNorm.NONE)).isZero();
        assertThat(vectors(true, false, QkNorm.NONE)).isEqualTo(20);
        assertThat(vectors(false, true, QkNorm.NONE)).isEqualTo(10);
        assertThat(vectors(true, true, QkNorm.PER_HEAD)).isEqualTo(30 + 8);
        assertThat(vectors(true, true, QkNorm.FULL)).isEqualTo(30 + 16);
    }

    private static AttentionCost latent(int qLoraRank, boolean bias) {
        RopeSpec rope = new RopeSpec(1e4, true, new RopeScaling.None());
        return AttentionCost.of(new LatentAttentionSpec(2, qLoraRank, 5, 3, 4, 6, rope, 1e-6, bias), 10);
    }

    @Test
    void latentAttentionHasBiasesTowardsTheResidualStreamOnly() {
        // norm of k/v 5; bias of kv_a 5 + 4 and of o 10
        assertThat(latent(0, false).vectorParameters()).isEqualTo(5);
        assertThat(latent(0, true).vectorParameters()).isEqualTo(5 + 9 + 10);
        // norm and bias of q_a 7 each; q_b and kv_b never have one
        assertThat(latent(7, false).vectorParameters()).isEqualTo(7 + 5);
        assertThat(latent(7, true).vectorParameters()).isEqualTo(7 + 5 + 7 + 9 + 10);
        assertThat(latent(7, true).matrixParameters())
                .isEqualTo(latent(7, false).matrixParameters());
        // q 10·14, kv_a 10·9, kv_b 5·(6 + 12), o 12·10
        assertThat(latent(0, true).matrixParameters()).isEqualTo(140 + 90 + 90 + 120);
    }
}
