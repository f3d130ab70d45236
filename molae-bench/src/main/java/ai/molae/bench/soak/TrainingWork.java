package ai.molae.bench.soak;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.files.Folders;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.LoraSpec;
import ai.molae.djl.lm.LoraTarget;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.AdamWSpec;
import ai.molae.djl.train.CheckpointPolicy;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.OptimizerSpec;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Runs that are stopped, resumed from their checkpoints and evaluated, and adapters that are trained, merged and taken away. */
final class TrainingWork {

    private static final int STEPS = 6;

    private TrainingWork() {}

    /** Trains half of a run, closes everything, and resumes and ends it in a model that had other weights. */
    static Work resumed(Path folder, MoeSpec moe, Precision precision, OptimizerSpec optimizer) {
        return seed -> {
            Results results = new Results();
            for (boolean first : new boolean[] {true, false}) {
                try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                    CausalLm model = SmallModels.model(manager, moe, precision, first ? seed : seed + 1);
                    try (LmTrainer trainer = trainer(model, optimizer, seed, results)
                            .optCheckpoints(folder, CheckpointPolicy.everySteps(2))
                            .build()) {
                        if (first) {
                            results.stopAfter(STEPS / 2, trainer);
                        } else {
                            trainer.resume();
                        }
                        trainer.train();
                    }
                }
            }
            Folders.delete(folder);
            return results.toString();
        };
    }

    /** Trains adapters and merges them, then adds others, takes them away and trains everything. */
    static Work adapters() {
        LoraSpec lora = LoraSpec.builder()
                .setRank(4)
                .setTargets(LoraTarget.ATTENTION, LoraTarget.EXPERTS)
                .build();
        return seed -> {
            Results results = new Results();
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                CausalLm model = SmallModels.model(manager, SmallModels.MOLAE, Precision.FLOAT32, seed);
                model.addLora(lora);
                train(model, seed, results);
                model.mergeLora();
                model.addLora(lora);
                model.removeLora();
                train(model, seed, results);
            }
            return results.toString();
        };
    }

    private static void train(CausalLm model, long seed, Results results) throws IOException {
        try (LmTrainer trainer =
                trainer(model, AdamWSpec.builder().build(), seed, results).build()) {
            trainer.train();
        }
    }

    private static LmTrainer.Builder trainer(CausalLm model, OptimizerSpec optimizer, long seed, Results results) {
        return LmTrainer.builder()
                .setModel(model)
                .setData(SmallModels.data(16, seed))
                .optValidation(SmallModels.data(4, -1 - seed))
                .setConfig(TrainingConfig.builder()
                        .setSteps(STEPS)
                        .setBatchSize(2)
                        .optOptimizer(optimizer)
                        .optEvaluation(STEPS, 2)
                        .optSeed(seed)
                        .build())
                .optListener(results);
    }

    /** The losses of all steps and evaluations. */
    private static final class Results implements LmTrainingListener {
        private final List<Double> losses = new ArrayList<>();
        private long lastStep;
        private Optional<LmTrainer> stopped = Optional.empty();

        void stopAfter(long step, LmTrainer trainer) {
            lastStep = step;
            stopped = Optional.of(trainer);
        }

        @Override
        public void onStep(Step step) {
            losses.add(step.loss());
            losses.add(step.gradientNorm());
            if (step.step() == lastStep) {
                stopped.ifPresent(LmTrainer::stop);
            }
        }

        @Override
        public void onEvaluation(Evaluation evaluation) {
            losses.add(evaluation.loss());
        }

        @Override
        public String toString() {
            return losses.toString();
        }
    }
}
