package ai.molae.examples;

import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.inference.Predictor;
import ai.djl.metric.Metrics;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.core.Linear;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.Trainer;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.evaluator.Accuracy;
import ai.djl.training.listener.EpochTrainingListener;
import ai.djl.training.listener.EvaluatorTrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import ai.molae.cost.CostModel;
import ai.molae.djl.moe.AuxLoss;
import ai.molae.djl.moe.AuxSequentialBlock;
import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.moe.RouterListener;
import ai.molae.djl.torch.Telemetry;
import ai.molae.route.LoadStatistics;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/**
 * A MoLAE layer in an ordinary DJL model: trained with EasyTrain to tell three spirals apart, saved, and loaded back through Criteria.
 *
 * <p>Arguments: [FOLDER of the saved model, default molae-out/spirals]
 */
public final class EasyTrainLayer {

    private static final int SPIRALS = 3;
    private static final int POINTS = 1500;
    private static final int BATCH = 50;
    /** Epochs between two lines of the console. */
    private static final int STAGE = 5;

    private static final String NAME = "spirals";

    /** Eight experts, two for each point; groups of four share a latent space of 16 numbers. */
    static final MoeSpec EXPERTS = MoeSpec.builder()
            .setHiddenSize(32)
            .setIntermediateSize(32)
            .setNumExperts(8)
            .setTopK(2)
            .optRouter(RouterSpec.builder().optAuxLossCoef(0.05).build()) // keeps all experts busy
            .optLatent(LatentSpec.builder().setLatentSize(16).setGroupSize(4).build())
            .build();

    private EasyTrainLayer() {}

    /** Points {@code [n, 2]} and the numbers of their spirals {@code [n]}. */
    record Points(NDArray coordinates, NDArray spirals) {}

    /** What was learned: how many points of each kind are told right, and what the loaded model's answers differ by. */
    record Result(float trainAccuracy, float validationAccuracy, float loadedDifference, LoadStatistics load) {}

    /** Runs the example. */
    public static void main(String[] args) throws Exception {
        Telemetry.optOut(); // before DJL starts
        run(Path.of(args.length > 0 ? args[0] : "molae-out/spirals"), 20);
    }

    static Result run(Path folder, int epochs) throws Exception {
        MoeSpec standard = EXPERTS.withoutLatent();
        System.out.printf(
                "routed experts: %,d parameters, %,d without the latent space%n",
                CostModel.layer(EXPERTS).routedExpertParameters(),
                CostModel.layer(standard).routedExpertParameters());
        Engine.getEngine("PyTorch").setRandomSeed(1);
        try (Model model = Model.newInstance(NAME, "PyTorch")) {
            model.setBlock(network());
            NDManager manager = model.getNDManager();
            Points training = points(manager, 1);
            Points validation = points(manager, 2);
            LoadSum load = new LoadSum();
            // AuxLoss adds the balance loss, which AuxSequentialBlock carries past the other layers, to any loss of
            // DJL.
            DefaultTrainingConfig config = new DefaultTrainingConfig(new AuxLoss(Loss.softmaxCrossEntropyLoss()))
                    .optOptimizer(Optimizer.adam()
                            .optLearningRateTracker(Tracker.fixed(0.005f))
                            .build())
                    .addEvaluator(new Accuracy())
                    .addTrainingListeners(new EpochTrainingListener(), new EvaluatorTrainingListener())
                    .addTrainingListeners(new RouterListener(load::add));
            try (Trainer trainer = model.newTrainer(config)) {
                trainer.setMetrics(new Metrics());
                trainer.initialize(new Shape(BATCH, 2));
                for (int done = 0; done < epochs; done += STAGE) {
                    load.clear();
                    EasyTrain.fit(trainer, Math.min(STAGE, epochs - done), dataset(training), dataset(validation));
                    System.out.printf(
                            "%3d epochs: loss %.3f, accuracy %.3f, on points not trained on %.3f; %s%n",
                            Math.min(done + STAGE, epochs),
                            trainer.getTrainingResult().getTrainLoss(),
                            trainer.getTrainingResult().getTrainEvaluation("Accuracy"),
                            trainer.getTrainingResult().getValidateEvaluation("Accuracy"),
                            load);
                }
                model.save(folder, NAME);
                NDArray before =
                        trainer.evaluate(new NDList(validation.coordinates())).singletonOrThrow();
                return new Result(
                        trainer.getTrainingResult().getTrainEvaluation("Accuracy"),
                        trainer.getTrainingResult().getValidateEvaluation("Accuracy"),
                        compareLoaded(folder, validation.coordinates(), before),
                        load.sum().orElseThrow());
            }
        }
    }

    private static AuxSequentialBlock network() {
        AuxSequentialBlock network = new AuxSequentialBlock();
        network.add(Linear.builder().setUnits(EXPERTS.hiddenSize()).build())
                .add(Activation.reluBlock())
                .add(new MoeBlock(EXPERTS))
                .add(Linear.builder().setUnits(SPIRALS).build());
        return network;
    }

    /** Loads the model as a program would that only uses it. The largest difference of its answers from those given. */
    private static float compareLoaded(Path folder, NDArray coordinates, NDArray expected) throws Exception {
        Criteria<NDList, NDList> criteria = Criteria.builder()
                .setTypes(NDList.class, NDList.class)
                .optEngine("PyTorch")
                .optModelPath(folder)
                .optModelName(NAME)
                .optBlock(
                        network()) // for a MoeBlock or a CausalLm by itself, ModelFolder writes down what the block was
                .build();
        try (ZooModel<NDList, NDList> loaded = criteria.loadModel();
                Predictor<NDList, NDList> predictor = loaded.newPredictor();
                NDList logits = predictor.predict(new NDList(coordinates))) {
            NDArray answers = logits.singletonOrThrow();
            answers.attach(coordinates.getManager());
            float difference = answers.sub(expected).abs().max().getFloat();
            System.out.printf("saved in %s and loaded: answers differ by at most %.1e%n", folder, difference);
            return difference;
        }
    }

    /** Points along spirals from the middle outwards, with some noise. */
    private static Points points(NDManager manager, long seed) {
        Random random = new Random(seed);
        float[] coordinates = new float[2 * POINTS];
        float[] spirals = new float[POINTS];
        for (int i = 0; i < POINTS; i++) {
            int spiral = i % SPIRALS;
            double radius = 0.1 + 0.9 * random.nextDouble();
            double angle = 2 * Math.PI * spiral / SPIRALS + 5 * radius + 0.1 * random.nextGaussian();
            coordinates[2 * i] = (float) (radius * Math.cos(angle));
            coordinates[2 * i + 1] = (float) (radius * Math.sin(angle));
            spirals[i] = spiral;
        }
        return new Points(manager.create(coordinates, new Shape(POINTS, 2)), manager.create(spirals));
    }

    private static ArrayDataset dataset(Points points) {
        return new ArrayDataset.Builder()
                .setData(points.coordinates())
                .optLabels(points.spirals())
                .setSampling(BATCH, true)
                .build();
    }

    /** Adds up how the points of the training batches spread over the experts. */
    private static final class LoadSum {
        private Optional<LoadStatistics> sum = Optional.empty();

        void add(List<LayerRouting> layers) {
            LoadStatistics batch = layers.get(0).load();
            sum = Optional.of(sum.map(batch::plus).orElse(batch));
        }

        void clear() {
            sum = Optional.empty();
        }

        Optional<LoadStatistics> sum() {
            return sum;
        }

        @Override
        public String toString() {
            return sum.map(load -> String.format(
                            "points per expert %s, the busiest has %.2f times the mean",
                            Arrays.toString(load.tokensPerExpert()), load.imbalance()))
                    .orElse("no batch");
        }
    }
}
