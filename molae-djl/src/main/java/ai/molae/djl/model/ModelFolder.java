package ai.molae.djl.model;

import ai.djl.Model;
import ai.djl.nn.Block;
import ai.djl.nn.BlockFactory;
import ai.djl.util.Utils;
import ai.molae.djl.json.SpecJson;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.io.Reader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;

/**
 * Complete DJL model folders: parameters, the spec that rebuilds the block, and what tells {@code Criteria} how.
 *
 * <pre>{@code
 * ModelFolder.save(model, folder, "layer");
 * ...
 * Criteria.builder().setTypes(NDList.class, NDList.class).optModelPath(folder).optModelName("layer").build().loadModel();
 * }</pre>
 *
 * <pre>
 *   layer-0000.params    DJL's own format, numbered as DJL does
 *   molae.json           the spec, see {@link SpecJson}
 *   serving.properties   engine, blockFactory, precision, aux_output; other keys found in it are kept
 * </pre>
 */
public final class ModelFolder {

    static final String SPEC_FILE = "molae.json";

    private static final String PROPERTIES_FILE = "serving.properties";
    private static final String PART = ".part";

    private ModelFolder() {}

    /**
     * Saves a model so that {@code Criteria} can load it. Every file is written under a name ending in {@code .part} and renamed when all are
     * complete, parameters last: a failure leaves what was there before, and no file is ever half-written. One process at a time may save
     * into a folder.
     *
     * @param model a model whose block is an initialised {@link MoeBlock} or {@link CausalLm}
     * @param folder where; created if absent
     * @param name the model's name, with which it will be loaded
     * @throws IllegalArgumentException if the block is of another kind
     * @throws IllegalStateException if the block is not initialised
     * @throws IOException if writing fails
     */
    public static void save(Model model, Path folder, String name) throws IOException {
        Block block = model.getBlock();
        Map<String, String> keys = new LinkedHashMap<>();
        keys.put("engine", "PyTorch");
        String spec;
        if (block instanceof MoeBlock moe) {
            spec = SpecJson.toJson(moe.spec());
            describe(keys, MoeBlockFactory.class, moe.precision());
            keys.put(MoeBlockFactory.AUX_OUTPUT, String.valueOf(moe.auxOutput()));
        } else if (block instanceof CausalLm lm) {
            spec = SpecJson.toJson(lm.spec());
            describe(keys, CausalLmFactory.class, lm.precision());
        } else {
            throw new IllegalArgumentException("a model folder holds a MoeBlock or a CausalLm, got "
                    + (block == null ? "no block" : block.getClass().getName())
                    + "; save other blocks with Model.save and a block factory of your own");
        }
        if (!block.isInitialized()) {
            throw new IllegalStateException("the block is not initialised; initialise or load it before saving");
        }
        Files.createDirectories(folder);
        Map<Path, Path> parts = new LinkedHashMap<>();
        Path specFile = folder.resolve(SPEC_FILE);
        Path propertiesFile = folder.resolve(PROPERTIES_FILE);
        Path specPart = part(parts, specFile);
        Path propertiesPart = part(parts, propertiesFile);
        // Model.save adds the number and remembers the folder, so the part stands beside the final file.
        String epoch = epoch(model, folder, name);
        parts.put(parameters(folder, name + PART, epoch(model, folder, name + PART)), parameters(folder, name, epoch));
        try {
            Files.writeString(specPart, spec);
            Files.writeString(propertiesPart, properties(propertiesFile, keys));
            model.save(folder, name + PART);
            for (Map.Entry<Path, Path> part : parts.entrySet()) {
                Files.move(part.getKey(), part.getValue(), StandardCopyOption.ATOMIC_MOVE);
            }
        } finally {
            for (Path part : parts.keySet()) {
                Files.deleteIfExists(part);
            }
        }
    }

    private static void describe(Map<String, String> keys, Class<? extends BlockFactory> factory, Precision precision) {
        keys.put("blockFactory", factory.getName());
        keys.put(FactoryArguments.PRECISION, precision.name());
    }

    private static Path part(Map<Path, Path> parts, Path file) {
        Path part = file.resolveSibling(file.getFileName() + PART);
        parts.put(part, file);
        return part;
    }

    /** The number DJL gives the parameter file. */
    private static String epoch(Model model, Path folder, String name) throws IOException {
        String epoch = model.getProperty("Epoch");
        int number = epoch == null ? Utils.getCurrentEpoch(folder, name) + 1 : Integer.parseInt(epoch);
        return String.format(Locale.ROOT, "%04d", number);
    }

    private static Path parameters(Path folder, String name, String epoch) {
        return folder.resolve(name + "-" + epoch + ".params");
    }

    /** The present properties with the given keys changed, sorted and without the date that Properties writes. */
    private static String properties(Path file, Map<String, String> keys) throws IOException {
        Properties properties = new Properties();
        if (Files.exists(file)) {
            try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
                properties.load(reader);
            }
        }
        properties.putAll(keys);
        StringWriter text = new StringWriter();
        properties.store(text, null);
        List<String> lines = new ArrayList<>(text.toString().lines().toList());
        lines.removeIf(line -> line.startsWith("#"));
        lines.sort(null);
        return String.join("\n", lines) + "\n";
    }
}
