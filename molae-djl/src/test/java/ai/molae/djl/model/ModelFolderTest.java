package ai.molae.djl.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.core.Linear;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.training.ParameterStore;
import ai.djl.translate.NoopTranslator;
import ai.molae.djl.json.SpecJson;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelFolderTest {

    private static final MoeSpec SPEC = MoeSpec.builder()
            .setHiddenSize(8)
            .setIntermediateSize(6)
            .setNumExperts(4)
            .setTopK(2)
            .optLatent(LatentSpec.builder().setLatentSize(3).setGroupSize(2).build())
            .build();

    @TempDir
    private Path temp;

    private static Model model(MoeBlock.Builder builder) {
        Model model = Model.newInstance("layer", "PyTorch");
        model.setBlock(builder.setSpec(SPEC).optInitializerRange(0.3).build());
        model.getBlock().initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 8));
        return model;
    }

    private static Criteria.Builder<NDList, NDList> criteria(Path folder, String name) {
        return Criteria.builder()
                .setTypes(NDList.class, NDList.class)
                .optModelPath(folder)
                .optModelName(name)
                .optTranslator(new NoopTranslator());
    }

    private static float[] infer(Model model, NDArray x) {
        return model.getBlock()
                .forward(new ParameterStore(x.getManager(), false), new NDList(x), false)
                .head()
                .toFloatArray();
    }

    private static List<String> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void criteriaLoadsWhatWasSavedAlsoOnAnotherThread() throws Exception {
        Path folder = temp.resolve("new/folder");
        try (Model model = model(MoeBlock.builder());
                NDManager manager = NDManager.newBaseManager()) {
            ModelFolder.save(model, folder, "layer");
            assertThat(files(folder)).containsExactly("layer-0000.params", "molae.json", "serving.properties");
            assertThat(model.getModelPath()).isEqualTo(folder.toAbsolutePath());
            float[] expected = infer(model, manager.ones(new Shape(5, 8)));

            ExecutorService executor = Executors.newSingleThreadExecutor();
            try {
                float[] actual = executor.submit(() -> {
                            try (ZooModel<NDList, NDList> loaded =
                                            criteria(folder, "layer").build().loadModel();
                                    Predictor<NDList, NDList> predictor = loaded.newPredictor();
                                    NDManager own = NDManager.newBaseManager()) {
                                assertThat(((MoeBlock) loaded.getBlock()).spec())
                                        .isEqualTo(SPEC);
                                NDList y = predictor.predict(new NDList(own.ones(new Shape(5, 8))));
                                return y.head().toFloatArray();
                            }
                        })
                        .get();
                assertThat(actual).isEqualTo(expected);
            } finally {
                executor.shutdown();
            }
        }
    }

    @Test
    void precisionAndAuxOutputComeBackAndArgumentsOverrideThem() throws Exception {
        try (Model model =
                model(MoeBlock.builder().optPrecision(Precision.BFLOAT16).optAuxOutput(false))) {
            ModelFolder.save(model, temp, "layer");
        }
        try (ZooModel<NDList, NDList> loaded = criteria(temp, "layer").build().loadModel()) {
            MoeBlock block = (MoeBlock) loaded.getBlock();
            assertThat(block.precision()).isEqualTo(Precision.BFLOAT16);
            assertThat(block.auxOutput()).isFalse();
        }
        try (ZooModel<NDList, NDList> loaded = criteria(temp, "layer")
                .optArgument("precision", "float32")
                .optArgument("aux_output", true)
                .build()
                .loadModel()) {
            MoeBlock block = (MoeBlock) loaded.getBlock();
            assertThat(block.precision()).isEqualTo(Precision.FLOAT32);
            assertThat(block.auxOutput()).isTrue();
        }
    }

    @Test
    void aLanguageModelComesBackTheSameWay() throws Exception {
        ModelSpec spec = ModelSpec.builder()
                .setVocabSize(11)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 4))
                .addLayers(1, DenseSpec.swiglu(8, 12))
                .addLayers(1, SPEC)
                .build();
        try (Model model = Model.newInstance("lm", "PyTorch");
                NDManager manager = NDManager.newBaseManager()) {
            model.setBlock(CausalLm.builder().setSpec(spec).build());
            model.getBlock().initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 3));
            ModelFolder.save(model, temp, "lm");
            NDArray tokens = manager.create(new long[] {1, 2, 3, 4}, new Shape(2, 2));
            try (ZooModel<NDList, NDList> loaded = criteria(temp, "lm").build().loadModel()) {
                assertThat(((CausalLm) loaded.getBlock()).spec()).isEqualTo(spec);
                assertThat(infer(loaded, tokens)).isEqualTo(infer(model, tokens));
            }
        }
    }

    @Test
    void savingAgainCountsUpAndKeepsOtherProperties() throws Exception {
        Files.writeString(temp.resolve("serving.properties"), "option.mapLocation=true\nprecision=BFLOAT16\n");
        try (Model model = model(MoeBlock.builder());
                NDManager manager = NDManager.newBaseManager()) {
            ModelFolder.save(model, temp, "layer");
            NDArray down = ((MoeBlock) model.getBlock())
                    .getDirectParameters()
                    .get("down")
                    .getArray();
            down.setRequiresGradient(false);
            down.muli(2);
            ModelFolder.save(model, temp, "layer");
            assertThat(files(temp))
                    .containsExactly("layer-0000.params", "layer-0001.params", "molae.json", "serving.properties");
            assertThat(Files.readString(temp.resolve("serving.properties")))
                    .isEqualTo(
                            """
                            aux_output=true
                            blockFactory=ai.molae.djl.model.MoeBlockFactory
                            engine=PyTorch
                            option.mapLocation=true
                            precision=FLOAT32
                            """);
            try (ZooModel<NDList, NDList> loaded =
                    criteria(temp, "layer").build().loadModel()) {
                NDArray x = manager.ones(new Shape(2, 8));
                assertThat(infer(loaded, x)).isEqualTo(infer(model, x));
            }
            model.setProperty("Epoch", "7");
            ModelFolder.save(model, temp, "layer");
            assertThat(files(temp)).contains("layer-0007.params");
        }
    }

    @Test
    void aFailedSaveLeavesWhatWasThere() throws Exception {
        try (Model model = model(MoeBlock.builder())) {
            ModelFolder.save(model, temp, "layer");
            Map<String, byte[]> before = contents();
            // fails in the middle of the parameters
            ((MoeBlock) model.getBlock())
                    .getDirectParameters()
                    .get("down")
                    .getArray()
                    .close();
            assertThatThrownBy(() -> ModelFolder.save(model, temp, "layer")).isInstanceOf(RuntimeException.class);
            Map<String, byte[]> after = contents();
            assertThat(after.keySet()).isEqualTo(before.keySet());
            after.forEach((name, bytes) -> assertThat(bytes).as(name).isEqualTo(before.get(name)));
        }
    }

    private Map<String, byte[]> contents() throws IOException {
        Map<String, byte[]> contents = new java.util.TreeMap<>();
        for (String file : files(temp)) {
            contents.put(file, Files.readAllBytes(temp.resolve(file)));
        }
        return contents;
    }

    @Test
    void refusesOtherBlocksAndUninitialisedOnesWithoutTouchingTheFolder() throws Exception {
        try (Model model = Model.newInstance("net", "PyTorch")) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> ModelFolder.save(model, temp, "net"))
                    .withMessageContaining("no block");
            model.setBlock(Linear.builder().setUnits(2).build());
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> ModelFolder.save(model, temp, "net"))
                    .withMessageContaining(Linear.class.getName());
            model.setBlock(new MoeBlock(SPEC));
            assertThatIllegalStateException()
                    .isThrownBy(() -> ModelFolder.save(model, temp, "net"))
                    .withMessageContaining("not initialised");
        }
        assertThat(files(temp)).isEmpty();
    }

    @Test
    void aSpecThatDoesNotFitTheParametersIsRefused() throws Exception {
        try (Model model = model(MoeBlock.builder())) {
            ModelFolder.save(model, temp, "layer");
        }
        String other = SpecJson.toJson(SPEC.toBuilder().setTopK(3).build());
        assertThatThrownBy(() -> criteria(temp, "layer")
                        .optArgument("spec", other)
                        .build()
                        .loadModel()
                        .close())
                .hasStackTraceContaining(MalformedModelException.class.getName())
                .hasStackTraceContaining("topK=3");
    }

    @Test
    void theFactoryNamesWhatIsWrong() throws Exception {
        MoeBlockFactory factory = new MoeBlockFactory();
        try (Model model = Model.newInstance("layer", "PyTorch")) {
            assertThatExceptionOfType(NoSuchFileException.class)
                    .isThrownBy(() -> factory.newBlock(model, temp, Map.of()))
                    .withMessageContaining("molae.json");
            Files.writeString(temp.resolve("molae.json"), SpecJson.toJson(SPEC).replace("\"gated\"", "\"gate\""));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> factory.newBlock(model, temp, Map.of()))
                    .withMessageContainingAll(temp.resolve("molae.json").toString(), "missing key gated");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> factory.newBlock(model, temp, Map.of("spec", "{}")))
                    .withMessageContainingAll("argument spec", "missing key hidden_size");
            Files.writeString(temp.resolve("molae.json"), SpecJson.toJson(SPEC));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> factory.newBlock(model, temp, Map.of("precision", "fp8")))
                    .withMessageContainingAll("FLOAT32", "BFLOAT16", "fp8");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> factory.newBlock(model, temp, Map.of("aux_output", "yes")))
                    .withMessageContainingAll("aux_output", "yes");
        }
    }
}
