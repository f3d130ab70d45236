package ai.molae.cli.eval;

import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import ai.molae.route.LoadStatistics;
import java.util.List;

/** How evenly the experts of each MoE layer are used. */
final class LoadTable {

    private LoadTable() {}

    static Table of(List<LayerUse> layers) {
        Table.Builder table = Table.of(
                "Load of the experts",
                "layer",
                "experts",
                "most loaded",
                "most share",
                "least loaded",
                "least share",
                "variation",
                "max/mean",
                "entropy",
                "unused",
                "dropped");
        layers.forEach(layer -> row(table, layer.layer(), layer.load()));
        return table.build();
    }

    private static void row(Table.Builder table, int layer, LoadStatistics load) {
        long[] counts = load.tokensPerExpert();
        int most = 0;
        int least = 0;
        for (int i = 1; i < counts.length; i++) {
            most = counts[i] > counts[most] ? i : most;
            least = counts[i] < counts[least] ? i : least;
        }
        double total = load.total();
        table.row(
                Cell.id(layer),
                Cell.id(counts.length),
                Cell.id(most),
                Cell.share(counts[most] / total),
                Cell.id(least),
                Cell.share(counts[least] / total),
                Cell.number(load.coefficientOfVariation(), 3),
                Cell.number(load.imbalance(), 3),
                Cell.number(load.normalisedEntropy(), 4),
                Cell.id(load.idleExperts()),
                Cell.count(load.dropped()));
    }
}
