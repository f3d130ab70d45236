package ai.molae.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ExpertGroupsTest {

    @Test
    void contiguousGroupsDivideTheExpertIndexByTheGroupSize() {
        ExpertGroups groups = ExpertGroups.contiguous(6, 2);
        assertThat(groups.groupOf()).containsExactly(0, 0, 1, 1, 2, 2);
        assertThat(groups.numExperts()).isEqualTo(6);
        assertThat(groups.numGroups()).isEqualTo(3);
        assertThat(groups.groupOf(3)).isEqualTo(1);
        assertThat(groups.sizes()).containsExactly(2, 2, 2);
    }

    @Test
    void theLastContiguousGroupMayBeSmaller() {
        assertThat(ExpertGroups.contiguous(7, 3).sizes()).containsExactly(3, 3, 1);
    }

    @Test
    void anyPartitionWithoutGapsIsAllowedAndCopied() {
        List<Integer> groupOf = new ArrayList<>(List.of(1, 0, 1, 2));
        ExpertGroups groups = new ExpertGroups(groupOf);
        groupOf.set(0, 9);
        assertThat(groups.groupOf(0)).isEqualTo(1);
        assertThat(groups.sizes()).containsExactly(1, 2, 1);
        assertThat(groups).hasToString("ExpertGroups[1,0,1,2]");
    }

    @Test
    void rejectsWhatIsNoPartitionWithItsNumbers() {
        rejects(List.of(), "expert groups need at least one expert, got none");
        rejects(List.of(0, -1), "expert 1 has group -1; groups count from 0");
        rejects(List.of(0, 2, 2), "group 1 of 0 to 2 has no expert; number the groups without gaps");
        rejects(
                List.of(0, 1_000_000_000),
                "expert 1 has group 1000000000, but 2 experts can fill at most the groups 0 to 1; number the groups from 0 without gaps");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ExpertGroups.contiguous(0, 1))
                .withMessage("numExperts must be positive, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ExpertGroups.contiguous(4, 5))
                .withMessage("groupSize must be between 1 and numExperts = 4, got 5");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ExpertGroups.contiguous(4, 0))
                .withMessage("groupSize must be between 1 and numExperts = 4, got 0");
    }

    private static void rejects(List<Integer> groupOf, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ExpertGroups(groupOf))
                .withMessage(message);
    }
}
