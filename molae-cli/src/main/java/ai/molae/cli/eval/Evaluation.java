package ai.molae.cli.eval;

import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import java.util.List;

/**
 * What an evaluation found.
 *
 * @param result how well the model predicts the text
 * @param layers how it used the experts of each MoE layer
 */
public record Evaluation(Result result, List<LayerUse> layers) {

    /**
     * Copies the layers.
     *
     * @param result how well the model predicts the text
     * @param layers how it used the experts of each MoE layer
     */
    public Evaluation {
        layers = List.copyOf(layers);
    }

    /**
     * How well the model predicts the text.
     *
     * @return a list of figures
     */
    public Table prediction() {
        return Table.properties("Prediction")
                .row("loss", Cell.number(result.loss(), 4))
                .row("perplexity", Cell.number(result.perplexity(), 3))
                .row("bits per byte", Cell.number(result.bitsPerByte(), 4))
                .row("tokens", Cell.count(result.tokens()))
                .row("bytes", Cell.count(result.bytes()))
                .build();
    }

    /**
     * How evenly it used its experts.
     *
     * @return a row for each MoE layer
     */
    public Table loads() {
        return LoadTable.of(layers);
    }
}
