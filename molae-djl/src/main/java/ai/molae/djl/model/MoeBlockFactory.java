package ai.molae.djl.model;

import ai.djl.Model;
import ai.djl.nn.Block;
import ai.djl.nn.BlockFactory;
import ai.molae.djl.json.SpecJson;
import ai.molae.djl.moe.MoeBlock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/**
 * Rebuilds a {@link MoeBlock} for DJL's {@code Criteria}. Arguments, each optional, from serving.properties or {@code optArgument}:
 *
 * <pre>
 *   spec        a layer as JSON, see {@link SpecJson}; default: the content of molae.json in the model folder
 *   precision   FLOAT32 (default) or BFLOAT16
 *   aux_output  whether training returns the auxiliary loss and the load beside y; default true
 * </pre>
 */
public final class MoeBlockFactory implements BlockFactory {

    static final String AUX_OUTPUT = "aux_output";

    private static final long serialVersionUID = 1L;

    /** DJL creates it by its name. */
    public MoeBlockFactory() {}

    /**
     * Builds the block; DJL loads its parameters afterwards.
     *
     * @param model the model being loaded
     * @param modelPath the model folder
     * @param arguments see above
     * @return the block, not initialised
     * @throws IOException if molae.json cannot be read
     * @throws IllegalArgumentException if the spec or an argument is wrong; the message names it
     */
    @Override
    public Block newBlock(Model model, Path modelPath, Map<String, ?> arguments) throws IOException {
        FactoryArguments given = new FactoryArguments(modelPath, arguments);
        return MoeBlock.builder()
                .setSpec(given.spec(SpecJson::parseMoe))
                .optPrecision(given.precision())
                .optAuxOutput(given.flag(AUX_OUTPUT, true))
                .build();
    }
}
