package ai.molae.bench.report;

import ai.molae.bench.results.Result;
import ai.molae.djl.chart.ScatterChart.Form;

/** What a layer is doing. */
enum Phase {
    /** Many tokens at once. */
    PREFILL("prefill", Form.CIRCLE),
    /** A few tokens, each of another sequence. */
    DECODE("decode", Form.SQUARE),
    /** Forward and backward. */
    TRAINING("training step", Form.TRIANGLE);

    private final String title;
    private final Form form;

    Phase(String title, Form form) {
        this.title = title;
        this.form = form;
    }

    String title() {
        return title;
    }

    Form form() {
        return form;
    }

    /** Whether a result is of a layer that does this. A forward call with one token is decoding. */
    boolean has(Result result) {
        boolean one = result.param("tokens").equals("1");
        return switch (result.benchmarkClass()) {
            case "LayerForward" -> this == (one ? DECODE : PREFILL);
            case "LayerDecode" -> this == DECODE;
            case "LayerTraining" -> this == TRAINING;
            default -> false;
        };
    }
}
