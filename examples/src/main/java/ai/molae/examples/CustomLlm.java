package ai.molae.examples;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.cost.CostModel;
import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TextCorpus;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.Telemetry;
import ai.molae.djl.train.CheckpointPolicy;
import ai.molae.djl.train.LearningRateSchedule;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.djl.train.ValidationLoss;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;

/**
 * A language model from scratch, byte by byte: one dense layer, three MoLAE layers. Trained on your texts, or else on little stories about sums,
 * which it then continues. Kill it when you like: the same command goes on from the last checkpoint, bit by bit as if nothing had happened.
 *
 * <p>Arguments: [molae | moe] [OUT, default molae-out/llm] [TEXTS, a file, folder or zip archive]
 *
 * <p>"moe" makes the same model with standard experts, to compare, or to convert with {@link ConvertAndHeal}. OUT gets texts, checkpoints and, in the
 * end, the folder "model" as Hugging Face's library writes it, which {@link LoadAndChat} and {@link WebService} open.
 */
public final class CustomLlm {

    private static final int SEQUENCE = 128;
    private static final int BATCH = 8;
    /** Checkpoints of a run. */
    private static final int CHECKPOINTS = 12;

    private static final long STEP_TOKENS = BATCH * SEQUENCE;

    private static final List<String> NUMBERS =
            List.of("zero", "one", "two", "three", "four", "five", "six", "seven", "eight");
    private static final List<String> NAMES =
            List.of("anna", "ben", "carla", "david", "emma", "felix", "greta", "hugo");
    private static final List<String> THINGS =
            List.of("apples", "books", "cups", "dolls", "eggs", "forks", "grapes", "hats");

    private CustomLlm() {}

    /** What came out: the loss on held-out text, in nats per byte, what the model wrote, and where it is. */
    record Result(double loss, List<String> told, Path model) {}

    /** Runs the example. */
    public static void main(String[] args) throws IOException {
        Telemetry.optOut(); // before DJL starts
        boolean latent = args.length == 0 || !args[0].equals("moe");
        Path out = Path.of(args.length > 1 ? args[1] : latent ? "molae-out/llm" : "molae-out/llm-moe");
        Optional<Path> texts = args.length > 2 ? Optional.of(Path.of(args[2])) : Optional.empty();
        run(spec(latent, 64), out, texts, 600, new Printer());
    }

    /** The model: four layers. Every MoE layer has 8 experts, two for each token, of which four share a latent space. */
    static ModelSpec spec(boolean latent, int width) {
        MoeSpec experts = MoeSpec.builder()
                .setHiddenSize(width)
                .setIntermediateSize(width)
                .setNumExperts(8)
                .setTopK(2)
                .optRouter(RouterSpec.builder().optAuxLossCoef(0.01).build())
                .build();
        MoeSpec factored = experts.withLatent(
                LatentSpec.builder().setLatentSize(width / 2).setGroupSize(4).build());
        return ModelSpec.builder()
                .setVocabSize(ByteTokenizer.VOCAB_SIZE)
                .setAttention(GroupedQueryAttentionSpec.of(4, 2, width / 4))
                .addLayers(1, DenseSpec.swiglu(width, 3 * width))
                .addLayers(3, latent ? factored : experts)
                .optMaxPositionEmbeddings(SEQUENCE) // further than it was trained on a model only babbles
                .build();
    }

    static Result run(ModelSpec spec, Path out, Optional<Path> texts, int steps, LmTrainingListener listener)
            throws IOException {
        System.out.printf(
                "%,d parameters, %,.0f of them active for each token%n",
                CostModel.model(spec).parameters(), CostModel.model(spec).activeParameters());
        Path folder = texts.isPresent() ? texts.get() : writeStories(out.resolve("texts"));
        ByteTokenizer tokenizer = new ByteTokenizer();
        TextCorpus.Split text = TextCorpus.read(folder, name -> true).split(tokenizer, 0.05, 1);
        PackedWindows validation = new PackedWindows(text.validation(), SEQUENCE, 1);
        TrainingConfig config = TrainingConfig.builder()
                .setSteps(steps)
                .setBatchSize(BATCH)
                .optSchedule(
                        LearningRateSchedule.warmupCosine(4e-3, 4e-4, steps / 20 * STEP_TOKENS, steps * STEP_TOKENS))
                .optEvaluation(steps / 4, 8) // every so many steps, on so many batches
                .build();
        Engine.getEngine("PyTorch").setRandomSeed(1); // of the first parameters
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.builder()
                    .setSpec(spec)
                    .optPrecision(Precision.FLOAT32)
                    .build();
            model.initialize(manager, DataType.FLOAT32, new Shape(BATCH, SEQUENCE));
            try (LmTrainer trainer = LmTrainer.builder()
                    .setModel(model)
                    .setData(new PackedWindows(text.train(), SEQUENCE, 1))
                    .setConfig(config)
                    .optValidation(validation)
                    .optCheckpoints(out.resolve("checkpoints"), CheckpointPolicy.everySteps(steps / CHECKPOINTS))
                    .optListener(listener)
                    .build()) {
                trainer.resume().ifPresent(checkpoint -> System.out.println("going on from " + checkpoint));
                trainer.train();
            }
            ValidationLoss loss = ValidationLoss.of(model, validation, BATCH);
            System.out.printf(
                    "%.3f nats per byte on text it was not trained on (%,d bytes)%n", loss.nats(), loss.labels());
            List<String> told;
            if (texts.isEmpty()) {
                told = tellStories(model, tokenizer);
            } else {
                int[] made = new Generator(model).generate(tokenizer.encode("The "), Sampling.greedy(200));
                told = List.of("The " + tokenizer.decode(made));
                System.out.println(told.get(0));
            }
            Path saved = out.resolve("model");
            CheckpointSaver.of(model).save(saved);
            tokenizer.save(saved);
            System.out.println("saved in " + saved);
            return new Result(loss.nats(), told, saved);
        }
    }

    /** Writes the ends of some stories; the new line after each is the token that stops it. */
    private static List<String> tellStories(CausalLm model, ByteTokenizer tokenizer) {
        Random random = new Random(99);
        List<String> stories = Stream.generate(() -> story(random)).limit(40).toList();
        List<String> beginnings = stories.stream()
                .map(story -> story.substring(0, story.indexOf(" now ") + 5))
                .toList();
        Sampling sampling = Sampling.builder()
                .optTemperature(0)
                .optMaxNewTokens(40)
                .optStopTokens(List.of((int) '\n'))
                .build();
        List<int[]> ends = new Generator(model)
                .generate(beginnings.stream().map(tokenizer::encode).toList(), sampling, (story, token) -> {});
        List<String> told = new ArrayList<>();
        int right = 0;
        for (int i = 0; i < stories.size(); i++) {
            told.add(beginnings.get(i) + tokenizer.decode(ends.get(i)) + "\n");
            right += told.get(i).equals(stories.get(i)) ? 1 : 0;
        }
        System.out.print(told.get(0) + told.get(1) + told.get(2));
        System.out.printf("%d of %d stories end with the right sum%n", right, stories.size());
        return told;
    }

    /** A line such as "anna has two cups and gets four more. now anna has six cups." */
    private static String story(Random random) {
        String name = NAMES.get(random.nextInt(NAMES.size()));
        String thing = THINGS.get(random.nextInt(THINGS.size()));
        int first = 1 + random.nextInt(4);
        int more = 1 + random.nextInt(4);
        String owned = name + " has " + NUMBERS.get(first) + " " + thing;
        return owned + " and gets " + NUMBERS.get(more) + " more. now " + name + " has " + NUMBERS.get(first + more)
                + " " + thing + ".\n";
    }

    private static Path writeStories(Path folder) throws IOException {
        Files.createDirectories(folder);
        Random random = new Random(7);
        for (int file = 0; file < 20; file++) {
            StringBuilder text = new StringBuilder();
            for (int line = 0; line < 200; line++) {
                text.append(story(random));
            }
            Files.writeString(folder.resolve("stories" + file + ".txt"), text);
        }
        return folder;
    }

    /** Says on the console how training goes. */
    private static final class Printer implements LmTrainingListener {
        @Override
        public void onStep(Step step) {
            if (step.step() == 1 || step.step() % (step.steps() / CHECKPOINTS) == 0) {
                System.out.printf(
                        "step %4d of %d: loss %.3f, %,.0f bytes/s, %.0f s left, busiest expert of the last layer %.2f times the mean%n",
                        step.step(),
                        step.steps(),
                        step.loss(),
                        step.tokensPerSecond(),
                        step.remainingSeconds(),
                        step.load().get(step.load().size() - 1).imbalance());
            }
        }

        @Override
        public void onEvaluation(Evaluation evaluation) {
            System.out.printf(
                    "step %4d: %.3f nats per byte on text it is not trained on%n",
                    evaluation.step(), evaluation.loss());
        }
    }
}
