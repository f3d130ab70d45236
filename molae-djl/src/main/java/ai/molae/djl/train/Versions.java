package ai.molae.djl.train;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Gemm;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** What a run was made with; a resumed one agrees to the last bit only where these agree. */
final class Versions {

    private Versions() {}

    static Map<String, String> of(CausalLm model) {
        Map<String, String> facts = new TreeMap<>();
        facts.put(
                "molae",
                Objects.requireNonNullElse(Versions.class.getPackage().getImplementationVersion(), "unpackaged"));
        facts.put("pytorch", Engine.getEngine("PyTorch").getVersion());
        facts.put("java", System.getProperty("java.version"));
        facts.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        facts.put("device", model.device().toString());
        facts.put("threads", String.valueOf(JniUtils.getNumThreads()));
        facts.put("products", Long.toHexString(Gemm.training(model.precision(), model.device())));
        return facts;
    }
}
