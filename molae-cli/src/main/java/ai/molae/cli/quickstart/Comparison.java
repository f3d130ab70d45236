package ai.molae.cli.quickstart;

import ai.molae.cost.CostModel;
import ai.molae.cost.LayerCost;
import ai.molae.cost.ModelCost;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The quickstart's one table: what both models cost and learned, as rows that the terminal, the Markdown and the JSON share. */
final class Comparison {

    /**
     * A row.
     *
     * @param key name in the JSON
     * @param label what it is, with its unit
     * @param decimals digits after the point
     * @param moe the standard model's value; NaN if not measured
     * @param molae the MoLAE model's value; NaN if not measured
     */
    record Row(String key, String label, int decimals, double moe, double molae) {

        String moeText() {
            return format(moe, decimals);
        }

        String molaeText() {
            return format(molae, decimals);
        }

        /** MoLAE / MoE. */
        double ratio() {
            return molae / moe;
        }

        String ratioText() {
            return format(ratio(), 3);
        }

        private static String format(double value, int decimals) {
            return Double.isFinite(value) ? String.format(Locale.ROOT, "%,." + decimals + "f", value) : "–";
        }
    }

    /** Step times that differ by more than this are not the model's doing. */
    private static final double BUSY_RATIO = 2;

    private final List<Row> rows = new ArrayList<>();
    private final ModelRun.Result moe;
    private final ModelRun.Result molae;

    Comparison(ModelRun.Result moe, ModelRun.Result molae, int sequenceLength, double tokensPerByte) {
        this.moe = moe;
        this.molae = molae;
        ModelCost moeCost = CostModel.model(moe.spec());
        ModelCost molaeCost = CostModel.model(molae.spec());
        add("routed_expert_parameters", "routed-expert parameters", 0, routed(moeCost), routed(molaeCost));
        add("total_parameters", "total parameters", 0, (double) moeCost.parameters(), (double) molaeCost.parameters());
        add(
                "active_parameters",
                "active parameters per token",
                0,
                moeCost.activeParameters(),
                molaeCost.activeParameters());
        add(
                "forward_mflop_per_token",
                "forward MFLOP per token (cost model)",
                3,
                moeCost.forwardFlops(sequenceLength) / 1e6,
                molaeCost.forwardFlops(sequenceLength) / 1e6);
        add("peak_native_mib", "peak native memory in training, MiB (measured)", 1, mebibytes(moe), mebibytes(molae));
        add(
                "training_tokens_per_second",
                "training tokens/s (measured)",
                0,
                moe.trainingTokensPerSecond(),
                molae.trainingTokensPerSecond());
        add(
                "decoding_tokens_per_second",
                "decoding tokens/s (measured)",
                1,
                moe.decodingTokensPerSecond(),
                molae.decodingTokensPerSecond());
        double moeLoss = moe.validationLoss();
        double molaeLoss = molae.validationLoss();
        add("validation_loss_nats", "validation loss, nats per token", 4, moeLoss, molaeLoss);
        double bits = tokensPerByte / Math.log(2);
        add("bits_per_byte", "validation bits per byte", 4, moeLoss * bits, molaeLoss * bits);
    }

    private static double routed(ModelCost cost) {
        return cost.moeLayers().stream()
                .mapToDouble(LayerCost::routedExpertParameters)
                .sum();
    }

    private static double mebibytes(ModelRun.Result result) {
        return result.peakNativeBytes().isPresent() ? result.peakNativeBytes().getAsLong() / 1048576.0 : Double.NaN;
    }

    private void add(String key, String label, int decimals, double moeValue, double molaeValue) {
        rows.add(new Row(key, label, decimals, moeValue, molaeValue));
    }

    List<Row> rows() {
        return List.copyOf(rows);
    }

    /** What the numbers say about the paper's claim, whatever it is. */
    String conclusion() {
        Row parameters = rows.get(0);
        double difference = molae.validationLoss() - moe.validationLoss();
        return String.format(
                Locale.ROOT,
                "MoLAE has %.1f %% fewer routed-expert parameters; its validation loss is %.4f nats %s the standard MoE's (%+.2f %%).",
                100 * (1 - parameters.ratio()),
                Math.abs(difference),
                difference > 0 ? "above" : "below",
                100 * difference / moe.validationLoss());
    }

    /** What to know before believing the measured rows. */
    List<String> notes() {
        List<String> notes = new ArrayList<>();
        for (ModelRun.Result result : List.of(moe, molae)) {
            double[] seconds = result.sortedStepSeconds();
            double fast = seconds[seconds.length / 10];
            double slow = seconds[seconds.length - 1 - seconds.length / 10];
            if (slow > BUSY_RATIO * fast) {
                notes.add(String.format(
                        Locale.ROOT,
                        "The machine was busy: a training step of %s took %.0f to %.0f ms (10th to 90th percentile). Repeat for figures of speed.",
                        result.name(),
                        fast * 1e3,
                        slow * 1e3));
            }
        }
        return notes;
    }

    /** The table for a terminal. */
    String text() {
        StringBuilder out = new StringBuilder();
        String line = "%-48s %16s %16s %10s%n";
        out.append(String.format(line, "", moe.name(), molae.name(), "ratio"));
        rows.forEach(
                row -> out.append(String.format(line, row.label(), row.moeText(), row.molaeText(), row.ratioText())));
        return out.toString();
    }

    /** The table in Markdown. */
    String markdown() {
        StringBuilder out = new StringBuilder();
        out.append(String.format("| | %s | %s | ratio |%n|---|---:|---:|---:|%n", moe.name(), molae.name()));
        rows.forEach(row -> out.append(String.format(
                "| %s | %s | %s | %s |%n", row.label(), row.moeText(), row.molaeText(), row.ratioText())));
        return out.toString();
    }
}
