package ai.molae.djl.train.metrics;

import ai.molae.djl.chart.Point;
import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.train.LmTrainingListener;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** What a report keeps of a run, in memory that does not grow with the number of steps. */
final class RunCurves implements LmTrainingListener {

    private final String name;
    private final Map<Quantity, Curve> curves = new EnumMap<>(Quantity.class);
    private final Map<Integer, LoadHistory> layers = new TreeMap<>();
    private final List<Point> validation = new ArrayList<>();
    private @Nullable Step last;

    RunCurves(String name) {
        this.name = name;
        for (Quantity quantity : Quantity.values()) {
            curves.put(quantity, new Curve());
        }
    }

    static RunCurves read(String name, Path metrics) {
        RunCurves run = new RunCurves(name);
        MetricsFile.replay(metrics, run);
        return run;
    }

    @Override
    public void onStep(Step step) {
        last = step;
        curves.forEach((quantity, curve) -> curve.add(step.step(), quantity.of(step)));
        for (LayerRouting layer : step.routing()) {
            layers.computeIfAbsent(layer.layer(), number -> new LoadHistory())
                    .add(step.step(), layer.load().tokensPerExpert());
        }
    }

    /** A step that was evaluated again after resuming counts once. */
    @Override
    public void onEvaluation(Evaluation evaluation) {
        validation.removeIf(point -> point.x() >= evaluation.step());
        if (Double.isFinite(evaluation.loss())) {
            validation.add(new Point(evaluation.step(), evaluation.loss()));
        }
    }

    String name() {
        return name;
    }

    Curve curve(Quantity quantity) {
        Curve curve = curves.get(quantity);
        if (curve == null) {
            throw new IllegalArgumentException("no curve of " + quantity);
        }
        return curve;
    }

    /** Validation losses by step. */
    List<Point> validation() {
        return List.copyOf(validation);
    }

    /** The expert load of the MoE layers by their number. */
    Map<Integer, LoadHistory> layers() {
        return layers;
    }

    /** The last step; null if there was none. */
    @Nullable
    Step last() {
        return last;
    }
}
