package ai.molae.cli.quickstart;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.cli.work.Interruption;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TextCorpus;
import ai.molae.djl.data.Tokenizer;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.spec.ModelSpec;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.IntStream;

/** Trains one of the models and measures it. */
final class ModelRun {

    private static final int DECODE_TOKENS = 128;
    private static final int DECODE_REPEATS = 3;
    private static final int SAMPLE_TOKENS = 240;

    /**
     * What a run found.
     *
     * @param name MoE or MoLAE
     * @param spec the model
     * @param stepsPlanned optimizer steps to do
     * @param stepsDone optimizer steps done; fewer than planned if interrupted
     * @param steps every optimizer step
     * @param evaluations every evaluation, the last one at the end
     * @param peakNativeBytes most native memory in use at once, above what was in use before the model was made
     * @param trainingTokensPerSecond from the median time of a step
     * @param decodingTokensPerSecond one sequence, greedy, with KV cache; median of three; absent if interrupted
     * @param sample a continuation of the prompt; empty if interrupted
     */
    record Result(
            String name,
            ModelSpec spec,
            long stepsPlanned,
            long stepsDone,
            List<LmTrainingListener.Step> steps,
            List<LmTrainingListener.Evaluation> evaluations,
            OptionalLong peakNativeBytes,
            double trainingTokensPerSecond,
            double decodingTokensPerSecond,
            String sample) {

        boolean complete() {
            return stepsDone == stepsPlanned;
        }

        /** The loss of the last evaluation. */
        double validationLoss() {
            return evaluations.get(evaluations.size() - 1).loss();
        }

        /** Seconds per step, slowest last. */
        double[] sortedStepSeconds() {
            double[] seconds = stepSeconds(steps);
            Arrays.sort(seconds);
            return seconds;
        }
    }

    private final TrainingConfig config;
    private final TextCorpus.Split text;
    private final int sequenceLength;
    private final Precision precision;
    private final int seed;
    private final Tokenizer tokenizer;
    private final int[] prompt;

    ModelRun(
            TrainingConfig config,
            TextCorpus.Split text,
            int sequenceLength,
            Precision precision,
            int seed,
            Tokenizer tokenizer,
            int[] prompt) {
        this.config = config;
        this.text = text;
        this.sequenceLength = sequenceLength;
        this.precision = precision;
        this.seed = seed;
        this.tokenizer = tokenizer;
        this.prompt = prompt;
    }

    /** Two steps of a model that is thrown away, so that what libtorch loads and compiles at first is not counted as the first model's. */
    void warmUp(ModelSpec spec) throws IOException {
        TrainingConfig twoSteps = TrainingConfig.builder()
                .setSteps(2)
                .setBatchSize(config.batchSize())
                .optEvaluation(0, 1)
                .build();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = model(spec, manager);
            try (LmTrainer trainer = trainer(model, twoSteps).build()) {
                trainer.train();
            }
            new Generator(model).generate(prompt, Sampling.greedy(2));
        }
    }

    private CausalLm model(ModelSpec spec, NDManager manager) {
        Engine.getEngine("PyTorch").setRandomSeed(seed);
        CausalLm model =
                CausalLm.builder().setSpec(spec).optPrecision(precision).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(config.batchSize(), sequenceLength));
        return model;
    }

    private LmTrainer.Builder trainer(CausalLm model, TrainingConfig how) {
        return LmTrainer.builder()
                .setModel(model)
                .setData(new PackedWindows(text.train(), sequenceLength, seed))
                .setConfig(how)
                .optValidation(new PackedWindows(text.validation(), sequenceLength, seed));
    }

    Result run(String name, ModelSpec spec, Interruption interruption, LmTrainingListener progress) throws IOException {
        Recorder recorder = new Recorder(progress);
        try (NativeMemory.Peak peak = NativeMemory.watchPeak();
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = model(spec, manager);
            try (LmTrainer trainer =
                    trainer(model, config).optListener(recorder).build()) {
                interruption.onInterrupt(trainer::stop);
                trainer.train();
                if (recorder.steps.size() < config.steps()) {
                    trainer.evaluate().ifPresent(recorder::onEvaluation);
                }
            }
            OptionalLong peakBytes = peak.bytes().isPresent()
                    ? OptionalLong.of(
                            peak.bytes().getAsLong() - peak.startBytes().orElse(0))
                    : OptionalLong.empty();
            boolean interrupted = interruption.happened();
            Generator generator = new Generator(model);
            return new Result(
                    name,
                    spec,
                    config.steps(),
                    recorder.steps.size(),
                    recorder.steps,
                    recorder.evaluations,
                    peakBytes,
                    recorder.tokensPerSecond(),
                    interrupted ? Double.NaN : decodingTokensPerSecond(generator),
                    interrupted ? "" : sample(generator));
        }
    }

    private double decodingTokensPerSecond(Generator generator) {
        Sampling greedy = Sampling.greedy(DECODE_TOKENS);
        generator.generate(prompt, greedy, token -> {});
        double[] rates = IntStream.range(0, DECODE_REPEATS)
                .mapToDouble(i -> {
                    long[] span = {0, 0};
                    int[] made = generator.generate(prompt, greedy, token -> {
                        span[0] = span[0] == 0 ? System.nanoTime() : span[0];
                        span[1] = System.nanoTime();
                    });
                    return (made.length - 1) / ((span[1] - span[0]) * 1e-9);
                })
                .toArray();
        return median(rates);
    }

    private String sample(Generator generator) {
        Sampling sampling = Sampling.builder()
                .optTemperature(0.7)
                .optTopP(0.95)
                .optSeed(seed)
                .optMaxNewTokens(SAMPLE_TOKENS)
                .optStopTokens(List.of(tokenizer.endOfText()))
                .build();
        return tokenizer.decode(generator.generate(prompt, sampling, token -> {}));
    }

    /** What each step took: steps tell the time since the start of training. */
    private static double[] stepSeconds(List<LmTrainingListener.Step> steps) {
        double[] seconds = new double[steps.size()];
        for (int i = 0; i < seconds.length; i++) {
            seconds[i] = steps.get(i).trainingSeconds()
                    - (i == 0 ? 0 : steps.get(i - 1).trainingSeconds());
        }
        return seconds;
    }

    static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int half = sorted.length / 2;
        return sorted.length == 0
                ? Double.NaN
                : sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }

    /** Keeps what the trainer tells and passes it on. */
    private static final class Recorder implements LmTrainingListener {
        private final LmTrainingListener next;
        private final List<Step> steps = new ArrayList<>();
        private final List<Evaluation> evaluations = new ArrayList<>();

        private Recorder(LmTrainingListener next) {
            this.next = next;
        }

        @Override
        public void onStep(Step step) {
            steps.add(step);
            next.onStep(step);
        }

        @Override
        public void onEvaluation(Evaluation evaluation) {
            evaluations.add(evaluation);
            next.onEvaluation(evaluation);
        }

        private double tokensPerSecond() {
            double[] rates = stepSeconds(steps);
            for (int i = 0; i < rates.length; i++) {
                long tokens =
                        steps.get(i).tokens() - (i == 0 ? 0 : steps.get(i - 1).tokens());
                rates[i] = tokens / rates[i];
            }
            return median(rates);
        }
    }
}
