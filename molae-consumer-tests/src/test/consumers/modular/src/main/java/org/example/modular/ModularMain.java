package org.example.modular;

import ai.djl.engine.Engine;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.cost.CostModel;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;

/** A layer and a tokenizer, and which modules they came from. */
public class ModularMain {

    public static void main(String[] args) throws Exception {
        for (Class<?> type : List.of(ModularMain.class, CostModel.class, MoeBlock.class, Engine.class, HuggingFaceTokenizer.class)) {
            System.out.println("module " + type.getModule().getName());
        }
        System.out.println("engines " + new TreeSet<>(Engine.getAllEngines()));
        Module module = Engine.getInstance().getClass().getModule();
        System.out.println("engine " + Engine.getInstance().getEngineName() + " of "
                + (module.isNamed() ? module.getName() : "no module"));

        MoeSpec spec = MoeSpec.builder()
                .setHiddenSize(16)
                .setIntermediateSize(8)
                .setNumExperts(4)
                .setTopK(2)
                .build();
        MoeBlock layer = new MoeBlock(spec);
        try (NDManager manager = NDManager.newBaseManager()) {
            layer.initialize(manager, DataType.FLOAT32, new Shape(4, 16));
            layer.prepareForInference(Precision.BFLOAT16);
            NDArray x = manager.randomNormal(new Shape(4, 16));
            NDArray y = layer.forward(new ParameterStore(manager, false), new NDList(x), false)
                    .singletonOrThrow();
            System.out.println("output " + y.getShape());
        }
        try (HfTokenizer tokenizer = HfTokenizer.load(Path.of("checkpoint"))) {
            System.out.println("tokens " + tokenizer.encode("w5 w7").length);
        }
    }
}
