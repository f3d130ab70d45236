package ai.molae.djl.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Precision;
import ai.molae.route.LoadStatistics;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import org.junit.jupiter.api.Test;

class LoadRecorderTest {

    private static final int N = MoeBlockTest.SPEC.hiddenSize();

    private static NDList infer(MoeBlock block, NDArray x) {
        return block.forward(new ParameterStore(x.getManager(), false), new NDList(x), false);
    }

    @Test
    void countsWhatTrainingCountsAlsoWithPackedWeights() {
        try (NDManager manager = NDManager.newBaseManager()) {
            MoeBlock block = new MoeBlock(MoeBlockTest.SPEC);
            block.initialize(manager, DataType.FLOAT32, new Shape(1, N));
            NDArray x = manager.randomNormal(new Shape(33, N));
            long[] trained = block.forward(new ParameterStore(manager, false), new NDList(x), true)
                    .get(2)
                    .toLongArray();
            LoadStatistics expected = new LoadStatistics(trained, 0);
            try (LoadRecorder recorder = new LoadRecorder()) {
                infer(block, x);
                assertThat(recorder.load(block)).contains(expected);
            }
            block.prepareForInference(Precision.INT8);
            try (LoadRecorder recorder = new LoadRecorder()) {
                infer(block, x);
                infer(block, x);
                assertThat(recorder.load(block)).contains(expected.plus(expected));
            }
        }
    }

    /** Entropies of the scores of every token, in plain Java; batches of 33 and 4 tokens. */
    @Test
    void tellsTheMeanEntropyOfTheRouterOverAllTokens() {
        try (NDManager manager = NDManager.newBaseManager()) {
            MoeBlock block = new MoeBlock(MoeBlockTest.SPEC);
            block.initialize(manager, DataType.FLOAT32, new Shape(1, N));
            double sum = 0;
            try (LoadRecorder recorder = new LoadRecorder()) {
                assertThat(recorder.routerEntropy(block)).isEmpty();
                for (int tokens : new int[] {33, 4}) {
                    NDArray x = manager.randomNormal(new Shape(tokens, N)).mul(tokens);
                    infer(block, x);
                    try (TokenRouting routing = TokenRouting.of(block, x)) {
                        for (float p : routing.probabilities().toFloatArray()) {
                            sum -= p == 0 ? 0 : p * Math.log(p);
                        }
                    }
                }
                assertThat(recorder.routerEntropy(block).orElseThrow()).isCloseTo(sum / 37, within(1e-5));
            }
        }
    }

    @Test
    void changesNoOutputAndStopsWhenItIsClosed() {
        try (NDManager manager = NDManager.newBaseManager()) {
            MoeBlock block = new MoeBlock(MoeBlockTest.SPEC);
            block.initialize(manager, DataType.FLOAT32, new Shape(1, N));
            NDArray x = manager.randomNormal(new Shape(5, N));
            float[] unobserved = infer(block, x).singletonOrThrow().toFloatArray();
            LoadRecorder recorder = new LoadRecorder();
            try (recorder) {
                assertThat(recorder.load(block)).isEmpty();
                assertThat(infer(block, x).singletonOrThrow().toFloatArray()).isEqualTo(unobserved);
            }
            infer(block, x);
            assertThat(recorder.load(block).orElseThrow().total()).isEqualTo(5L * MoeBlockTest.SPEC.topK());
        }
    }

    /** Four tokens of which the router sends all to expert 0; a capacity of 2 drops half of them. */
    @Test
    void tellsHowManyChoicesFoundTheirExpertFull() {
        MoeSpec spec = MoeSpec.builder()
                .setHiddenSize(2)
                .setIntermediateSize(2)
                .setNumExperts(2)
                .setTopK(1)
                .optRouter(RouterSpec.builder().optCapacityFactor(1).build())
                .build();
        try (NDManager manager = NDManager.newBaseManager()) {
            MoeBlock block = new MoeBlock(spec);
            block.initialize(manager, DataType.FLOAT32, new Shape(1, 2));
            block.getDirectParameters().get("router").getArray().set(new float[] {1, 0, 0, 0});
            try (LoadRecorder recorder = new LoadRecorder()) {
                infer(block, manager.ones(new Shape(4, 2)));
                assertThat(recorder.load(block)).contains(new LoadStatistics(new long[] {4, 0}, 2));
            }
        }
    }

    @Test
    void refusesASecondRecorderOnTheSameThread() {
        try (LoadRecorder recorder = new LoadRecorder()) {
            assertThatIllegalStateException()
                    .isThrownBy(LoadRecorder::new)
                    .withMessageContaining("open on this thread already");
            assertThat(recorder).isNotNull();
        }
    }
}
