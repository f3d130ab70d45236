package ai.molae.djl.hf;

import java.util.List;

/**
 * Weights in 8-bit floats (F8_E4M3) with one float32 factor per block of a matrix, as DeepSeek-V3 is published ({@code quantization_config}
 * with {@code quant_method} fp8). A weight is its 8-bit value times the factor of its block. Tensors of other types
 * are not quantised and have no factors.
 *
 * @param rows rows of a block
 * @param columns columns of a block
 */
public record BlockQuantization(int rows, int columns) {

    /**
     * Validates the sizes.
     *
     * @param rows rows of a block
     * @param columns columns of a block
     * @throws IllegalArgumentException if one is not positive
     */
    public BlockQuantization {
        if (rows < 1 || columns < 1) {
            throw new IllegalArgumentException(
                    "weight_block_size must be positive, got [" + rows + ", " + columns + "]");
        }
    }

    static BlockQuantization read(ConfigKeys keys) {
        keys.word("quant_method", "", List.of("fp8"));
        keys.word("fmt", "e4m3", List.of("e4m3"));
        if (!keys.has("quant_method")) {
            throw new IllegalArgumentException("missing key quant_method in quantization_config " + keys.json());
        }
        List<Integer> block = keys.integers("weight_block_size");
        if (block.size() != 2) {
            throw new IllegalArgumentException("quantization_config.weight_block_size must be [rows, columns], got "
                    + keys.json().get("weight_block_size") + "; one factor per tensor or row is not implemented");
        }
        return new BlockQuantization(block.get(0), block.get(1));
    }
}
