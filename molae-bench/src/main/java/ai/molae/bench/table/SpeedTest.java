package ai.molae.bench.table;

/**
 * What is timed.
 *
 * @param kind reading or generating
 * @param tokens how many tokens
 */
public record SpeedTest(Kind kind, int tokens) {

    /** What is done with the tokens. */
    public enum Kind {
        /** Prompt processing: random tokens are read together, by at most 512. */
        PROMPT("pp", "--prompt"),
        /** Text generation: random tokens are read one by one, from an empty cache on. */
        GENERATE("tg", "--generate");

        private final String prefix;
        private final String flag;

        Kind(String prefix, String flag) {
            this.prefix = prefix;
            this.flag = flag;
        }
    }

    /**
     * Refuses more tokens than a model has positions.
     *
     * @param longest the model's {@code max_position_embeddings}
     * @throws IllegalArgumentException if there are more; the message has both numbers
     */
    void check(int longest) {
        if (tokens > longest) {
            throw new IllegalArgumentException(kind.flag + " " + tokens
                    + " is more than the model's max_position_embeddings = " + longest + "; ask for at most that many");
        }
    }

    /** The name as in llama-bench: {@code pp512}, {@code tg128}. */
    @Override
    public String toString() {
        return kind.prefix + tokens;
    }
}
