package ai.molae.cli.plan;

import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import ai.molae.cli.table.TableFormat;
import ai.molae.cost.CostModel;
import ai.molae.cost.LayerScaling;
import ai.molae.cost.Roofline;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * Predicted against measured time on this machine: of each comparison one standard layer and its MoLAE, scaled until both fit.
 *
 * @param tables the machine, the layers, and their times
 * @param notes the sentences under them
 */
public record Measurement(List<Table> tables, List<String> notes) {

    /**
     * Measures, which takes seconds for each comparison.
     *
     * @param comparisons whose layers to time
     * @param precision of the weights
     * @param prefill tokens of a prompt
     * @param batch sequences decoded together
     * @param mostParameters of a layer
     * @param progress told what is being measured
     * @return the tables
     */
    public static Measurement of(
            List<Comparison> comparisons,
            Precision precision,
            int prefill,
            int batch,
            long mostParameters,
            Consumer<String> progress) {
        Table.Builder layers =
                Table.of("Layers, scaled", "layer", "n", "m", "N", "K", "r", "MoE parameters", "MoLAE parameters");
        Table.Builder prefills = times("Prefill");
        Table.Builder decodings = times("Decoding");
        Roofline machine;
        try (LayerTimes times = new LayerTimes(precision)) {
            machine = times.ceilings();
            for (Comparison comparison : comparisons) {
                progress.accept("measuring " + comparison.name());
                List<MoeSpec> pair = LayerScaling.fit(
                        List.of(comparison.moe().spec(), comparison.molae().spec()), mostParameters);
                layers.row(comparison.name(), shape(pair));
                List<LayerTimes.Timed> moe = times.time(pair.get(0), List.of(prefill, batch));
                List<LayerTimes.Timed> molae = times.time(pair.get(1), List.of(prefill, batch));
                prefills.row(comparison.name(), cells(moe.get(0), molae.get(0)));
                decodings.row(comparison.name(), cells(moe.get(1), molae.get(1)));
            }
        }
        Table ceilings = Table.properties("Machine")
                .row("precision", Cell.text(precision.toString()))
                .row("GFLOP/s of large products", Cell.number(machine.peakFlopsPerSecond() / 1e9, 1))
                .row("GB/s read from memory", Cell.number(machine.bytesPerSecond() / 1e9, 1))
                .row("tokens of a prefill", Cell.count(prefill))
                .row("tokens of a decoding step", Cell.count(batch))
                .row("most parameters of a layer", Cell.count(mostParameters))
                .build();
        return new Measurement(
                List.of(ceilings, layers.build(), prefills.build(), decodings.build()),
                List.of(
                        "Predicted is the roofline: the longer of FLOPs over GFLOP/s and weight bytes over GB/s, both measured around each time.",
                        "Weights in a processor's cache are read faster than from memory: then measured / predicted may fall below 1."));
    }

    private static Table.Builder times(String title) {
        return Table.of(
                title,
                "layer",
                "MoE predicted",
                "MoE measured",
                "MoE measured/predicted",
                "MoE bound",
                "MoLAE predicted",
                "MoLAE measured",
                "MoLAE measured/predicted",
                "MoLAE bound",
                "MoLAE/MoE predicted",
                "MoLAE/MoE measured");
    }

    private static Cell[] shape(List<MoeSpec> pair) {
        MoeSpec spec = pair.get(0);
        return new Cell[] {
            Cell.count(spec.hiddenSize()),
            Cell.count(spec.intermediateSize()),
            Cell.count(spec.numExperts()),
            Cell.count(spec.topK()),
            Cell.count(Side.ofLayers(pair.get(1), 1).latentSize()),
            Cell.count(CostModel.layer(spec).parameters()),
            Cell.count(CostModel.layer(pair.get(1)).parameters())
        };
    }

    private static Cell[] cells(LayerTimes.Timed moe, LayerTimes.Timed molae) {
        List<Cell> cells = new ArrayList<>();
        for (LayerTimes.Timed timed : List.of(moe, molae)) {
            cells.add(Cell.seconds(timed.predicted()));
            cells.add(Cell.seconds(timed.seconds()));
            cells.add(Cell.number(timed.seconds() / timed.predicted(), 2));
            cells.add(Cell.text(timed.bound().name().toLowerCase(Locale.ROOT)));
        }
        cells.add(Cell.number(molae.predicted() / moe.predicted(), 3));
        cells.add(Cell.number(molae.seconds() / moe.seconds(), 3));
        return cells.toArray(Cell[]::new);
    }

    /**
     * Writes the tables.
     *
     * @param format how
     * @return the text, ending in a line break
     */
    public String write(PlanFormat format) {
        return TableFormat.valueOf(format.name()).write(tables, notes);
    }
}
