package ai.molae.bench.report;

import java.util.List;

/**
 * A section of a report.
 *
 * @param id its anchor, lower-case letters
 * @param title its headline
 * @param blocks what is in it
 */
record Section(String id, String title, List<Block> blocks) {

    Section {
        blocks = List.copyOf(blocks);
    }

    /** In the place of a section that has nothing to show. */
    static Section without(String id, String title, String benchmarks) {
        return new Section(
                id, title, List.of(new Block.Missing("Left out: this run has no results of " + benchmarks + ".")));
    }
}
