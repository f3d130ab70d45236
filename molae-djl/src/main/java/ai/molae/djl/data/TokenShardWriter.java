package ai.molae.djl.data;

import ai.molae.djl.files.Disk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Writes documents as {@link TokenShards}. The index comes last, so a folder without a call of {@link #finish} never passes for data; closing
 * without it removes what was written. Documents of any number need as much memory as one shard's begins and flags: 8 bytes for a document
 * and at most a bit for a token. Not thread-safe.
 *
 * <pre>{@code
 * try (TokenShardWriter writer = TokenShardWriter.builder().setFolder(folder).setTokenizer(tokenizer).build()) {
 *     reader.read(Path.of("texts"), writer);
 *     writer.finish();
 * }
 * }</pre>
 */
public final class TokenShardWriter implements DocumentSink, AutoCloseable {

    /** Half a GiB of short tokens. */
    public static final long DEFAULT_SHARD_TOKENS = 1L << 28;
    /** The most tokens of a shard; a document that a shard begins with may be longer by itself. */
    public static final long MOST_SHARD_TOKENS = 1L << 30;

    private final Path folder;
    private final boolean created;
    private final String tokenizer;
    private final int vocabSize;
    private final long shardTokens;
    private final ContentHash content = new ContentHash();
    private final List<ShardIndex.Entry> shards = new ArrayList<>();
    private @Nullable ShardFileWriter shard;
    private long documents;
    private long tokens;
    private int begun;
    private boolean finished;

    private TokenShardWriter(Path folder, String tokenizer, int vocabSize, long shardTokens) throws IOException {
        this.folder = folder;
        this.tokenizer = tokenizer;
        this.vocabSize = vocabSize;
        this.shardTokens = shardTokens;
        created = Files.notExists(folder);
        Files.createDirectories(folder);
        try (Stream<Path> files = Files.list(folder)) {
            if (files.findAny().isPresent()) {
                throw new IllegalArgumentException(folder + " is not empty; tokens go into a folder of their own");
            }
        }
    }

    /**
     * A writer.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Writes a document, which stays in one shard.
     *
     * @param document the document
     * @throws IllegalArgumentException if it has a token that the vocabulary does not have
     * @throws IOException if writing fails
     */
    @Override
    public void add(TokenDocument document) throws IOException {
        if (finished) {
            throw new IllegalStateException("the shards in " + folder + " are finished");
        }
        int length = document.tokens().length;
        for (int i = 0; i < length; i++) {
            if (document.tokens()[i] >= vocabSize) {
                throw new IllegalArgumentException("token " + i + " of document " + documents + " is "
                        + document.tokens()[i] + ", the vocabulary of " + tokenizer + " has " + vocabSize + " ids");
            }
        }
        if (shard != null && shard.tokens() + length > shardTokens) {
            endShard(shard);
        }
        if (shard == null) {
            shard = new ShardFileWriter(
                    folder.resolve(ShardFormat.fileName(begun)), begun, ShardFormat.tokenBytes(vocabSize));
            begun++;
        }
        shard.add(document);
        content.add(document);
        documents++;
        tokens += length;
    }

    private void endShard(ShardFileWriter open) throws IOException {
        shards.add(open.finish());
        open.close();
        shard = null;
    }

    /**
     * How much was written.
     *
     * @return documents so far
     */
    public long documents() {
        return documents;
    }

    /**
     * How much was written.
     *
     * @return tokens so far
     */
    public long tokens() {
        return tokens;
    }

    /**
     * How many files there are.
     *
     * @return shards so far
     */
    public int numShards() {
        return begun;
    }

    /**
     * Ends the last shard and writes the index: from now on the folder is a data set.
     *
     * @throws IllegalArgumentException if there was no document
     * @throws IOException if writing fails
     */
    public void finish() throws IOException {
        if (finished) {
            return;
        }
        if (shard != null) {
            endShard(shard);
        }
        if (shards.isEmpty()) {
            throw new IllegalArgumentException("there is no document to write to " + folder);
        }
        String text = new ShardIndex(tokenizer, vocabSize, content.hex(), shards).text();
        Path part = folder.resolve(ShardIndex.FILE + ".part");
        Files.writeString(part, text, StandardCharsets.UTF_8, StandardOpenOption.CREATE_NEW);
        Disk.force(part);
        Disk.forceFolder(folder); // the shards have their names before the index names them
        Files.move(part, folder.resolve(ShardIndex.FILE), StandardCopyOption.ATOMIC_MOVE);
        finished = true;
        Disk.forceFolder(folder);
    }

    /** Removes what was written unless it was finished. */
    @Override
    public void close() throws IOException {
        if (shard != null) {
            shard.close();
            shard = null;
        }
        if (finished) {
            return;
        }
        Files.deleteIfExists(folder.resolve(ShardIndex.FILE + ".part"));
        for (int i = 0; i < begun; i++) {
            Files.deleteIfExists(folder.resolve(ShardFormat.fileName(i)));
        }
        if (created) {
            Files.deleteIfExists(folder);
        }
    }

    /** Builds a {@link TokenShardWriter}. */
    public static final class Builder {
        private @Nullable Path folder;
        private @Nullable String tokenizer;
        private int vocabSize;
        private long shardTokens = DEFAULT_SHARD_TOKENS;

        private Builder() {}

        /**
         * Sets where the shards go.
         *
         * @param folder a folder that is empty or does not exist
         * @return this builder
         */
        public Builder setFolder(Path folder) {
            this.folder = folder;
            return this;
        }

        /**
         * Sets what made the tokens.
         *
         * @param tokenizer whose identity and number of ids are written down
         * @return this builder
         */
        public Builder setTokenizer(Tokenizer tokenizer) {
            this.tokenizer = tokenizer.identity();
            vocabSize = tokenizer.vocabSize();
            return this;
        }

        /**
         * Sets the size of a shard.
         *
         * @param shardTokens the most tokens of a shard, unless a single document has more; 2^28 by default, at most 2^30
         * @return this builder
         */
        public Builder optShardTokens(long shardTokens) {
            this.shardTokens = shardTokens;
            return this;
        }

        /**
         * Begins to write.
         *
         * @return the writer, the caller's to close
         * @throws IllegalArgumentException if the folder is not empty, or a setting is missing or out of range
         * @throws IOException if the folder cannot be made
         */
        public TokenShardWriter build() throws IOException {
            if (folder == null || tokenizer == null) {
                throw new IllegalArgumentException(folder == null ? "setFolder is missing" : "setTokenizer is missing");
            }
            if (shardTokens < 1 || shardTokens > MOST_SHARD_TOKENS) {
                throw new IllegalArgumentException(
                        "shardTokens must be between 1 and " + MOST_SHARD_TOKENS + ", got " + shardTokens);
            }
            return new TokenShardWriter(folder, tokenizer, vocabSize, shardTokens);
        }
    }
}
