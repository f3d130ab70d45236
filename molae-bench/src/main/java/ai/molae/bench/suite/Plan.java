package ai.molae.bench.suite;

import ai.molae.bench.contender.Implementation;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.djl.torch.Precision;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The trials of some sets, each once, and those that are left out because another implementation cannot run the layer.
 *
 * @param trials sets with one value for each of their parameters
 * @param unsupported a line for each trial that is left out, and why
 */
record Plan(List<TrialSet> trials, List<String> unsupported) {

    Plan {
        trials = List.copyOf(trials);
        unsupported = List.copyOf(unsupported);
    }

    static Plan of(List<TrialSet> trialSets) {
        Map<String, TrialSet> once = new LinkedHashMap<>();
        for (TrialSet trialSet : trialSets) {
            trialSet.trials()
                    .forEach(trial -> once.putIfAbsent(trial.benchmark() + new TreeMap<>(trial.parameters()), trial));
        }
        List<TrialSet> trials = new ArrayList<>();
        List<String> unsupported = new ArrayList<>();
        for (TrialSet trial : once.values()) {
            Optional<String> refusal = refusal(trial);
            if (refusal.isPresent()) {
                unsupported.add("not supported: " + trial.title() + ": " + refusal.get());
            } else {
                trials.add(trial);
            }
        }
        return new Plan(trials, unsupported);
    }

    /** Only layers have other implementations. */
    private static Optional<String> refusal(TrialSet trial) {
        Optional<Implementation> implementation = trial.value("implementation", Implementation.class);
        if (implementation.isEmpty()) {
            return Optional.empty();
        }
        Shape shape = trial.value("shape", Shape.class).orElseThrow();
        Variant variant = trial.value("variant", Variant.class).orElseThrow();
        return implementation
                .get()
                .refusal(
                        variant.of(
                                shape.standard(trial.value("scale", Scale.class).orElseThrow())),
                        trial.value("precision", Precision.class).orElseThrow());
    }
}
