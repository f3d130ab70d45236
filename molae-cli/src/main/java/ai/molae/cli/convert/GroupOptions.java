package ai.molae.cli.convert;

import ai.molae.cli.options.Ranges;
import ai.molae.djl.convert.GroupPolicy;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which experts share projections. */
final class GroupOptions {

    private static final String ALL = "all";

    /** What brings experts together. */
    enum Grouping {
        /** Their numbers. */
        CONTIGUOUS(GroupPolicy.Kind.CONTIGUOUS),
        /** The spaces that their matrices read and write. */
        SUBSPACE(GroupPolicy.Kind.SUBSPACE),
        /** Being chosen by the same tokens. */
        CO_ACTIVATION(GroupPolicy.Kind.CO_ACTIVATION);

        final GroupPolicy.Kind kind;

        Grouping(GroupPolicy.Kind kind) {
            this.kind = kind;
        }

        /** The name as the user writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    @Option(
            names = "--groups",
            paramLabel = "k|all",
            description = "Experts that share projections (default: as the method has it).")
    private @Nullable String groups;

    @Option(
            names = "--grouping",
            paramLabel = "HOW",
            description = "What brings them together: ${COMPLETION-CANDIDATES} (default: as the method has it).")
    private @Nullable Grouping grouping;

    @Option(names = "--unequal", description = "Groups may differ in size; not with contiguous ones.")
    private boolean unequal;

    /** The policy of a method with what is given in its place. */
    GroupPolicy over(GroupPolicy preset, int mostExperts) {
        GroupPolicy.Kind kind = grouping == null ? preset.kind() : grouping.kind;
        boolean contiguous = kind == GroupPolicy.Kind.CONTIGUOUS;
        if (unequal && contiguous) {
            throw new IllegalArgumentException(
                    "--unequal needs --grouping subspace or co-activation: contiguous groups are of one size");
        }
        boolean equal = contiguous || (!unequal && (grouping != null || preset.equalSizes()));
        return new GroupPolicy(kind, size(preset.groupSize(), mostExperts), equal);
    }

    private int size(int preset, int mostExperts) {
        if (groups == null) {
            return preset;
        }
        if (groups.equalsIgnoreCase(ALL)) {
            return 0;
        }
        try {
            return Ranges.between("--groups", Integer.parseInt(groups), 1, mostExperts);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("--groups must be a number of experts, or all, got " + groups, e);
        }
    }
}
