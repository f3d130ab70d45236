package ai.molae.djl.train;

import ai.djl.engine.Engine;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** What a run was made with; a resumed one agrees to the last bit only where these agree. */
final class Versions {

    private Versions() {}

    static Map<String, String> facts() {
        Map<String, String> facts = new TreeMap<>();
        facts.put(
                "molae",
                Objects.requireNonNullElse(Versions.class.getPackage().getImplementationVersion(), "unpackaged"));
        facts.put("pytorch", Engine.getEngine("PyTorch").getVersion());
        facts.put("java", System.getProperty("java.version"));
        facts.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        facts.put("processors", String.valueOf(Runtime.getRuntime().availableProcessors()));
        return facts;
    }
}
