package ai.molae.djl.data;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * A folder of tokenized documents, as {@link TokenShardWriter} or {@code molae tokenize} writes it: {@code shards.json} and
 * {@code tokens-00000.bin} and so on, which are mapped into memory and not read, so that data may be larger than memory. What is not
 * complete and unchanged is refused with a {@link TokenShardsException} when it is opened.
 *
 * <pre>{@code
 * try (TokenShards shards = TokenShards.open(Path.of("tokens"))) {
 *     shards.check(tokenizer);
 *     PackedWindows data = PackedWindows.builder().setDocuments(shards).setSequenceLength(1024).build();
 * }
 * }</pre>
 */
public final class TokenShards implements TokenDocuments, AutoCloseable {

    /** What is looked at when shards are opened. */
    public enum Check {
        /** Everything: each file is read once and compared with its checksum, at the speed of the disk. */
        CHECKSUMS,
        /**
         * The index, and of each file its length, begin and end: for data that was checked before, or that takes too long to read. A token
         * beyond the vocabulary is still found when it is read.
         */
        SIZES
    }

    private final Path folder;
    private final ShardIndex index;
    /** Where each shard begins, and where the last one ends. */
    private final long[] firstToken;

    private final long[] firstDocument;
    private final boolean masked;
    /** Empty once closed. Mappings go when nobody has them any more, so that no thread reads what is gone. */
    private volatile TokenShard[] shards;

    private TokenShards(Path folder, ShardIndex index, TokenShard[] shards) {
        this.folder = folder;
        this.index = index;
        this.shards = shards;
        firstToken = new long[shards.length + 1];
        firstDocument = new long[shards.length + 1];
        boolean flags = false;
        for (int i = 0; i < shards.length; i++) {
            firstToken[i + 1] = firstToken[i] + shards[i].tokens();
            firstDocument[i + 1] = firstDocument[i] + shards[i].documents();
            flags |= shards[i].masked();
        }
        masked = flags;
    }

    /**
     * Opens a folder and checks every byte of it.
     *
     * @param folder the folder with {@code shards.json}
     * @return its documents, the caller's to close
     * @throws TokenShardsException if it is damaged, incomplete or of another version
     * @throws IOException if reading fails
     */
    public static TokenShards open(Path folder) throws IOException {
        return open(folder, Check.CHECKSUMS);
    }

    /**
     * Opens a folder.
     *
     * @param folder the folder with {@code shards.json}
     * @param check what to look at
     * @return its documents, the caller's to close
     * @throws TokenShardsException if it is damaged, incomplete or of another version
     * @throws IOException if reading fails
     */
    public static TokenShards open(Path folder, Check check) throws IOException {
        return open(folder, check, MappedBytes.PIECE_BITS);
    }

    static TokenShards open(Path folder, Check check, int pieceBits) throws IOException {
        ShardIndex index = ShardIndex.read(folder);
        List<TokenShard> shards = new ArrayList<>();
        for (int i = 0; i < index.shards().size(); i++) {
            shards.add(TokenShard.open(folder, i, index, check == Check.CHECKSUMS, pieceBits));
        }
        return new TokenShards(folder, index, shards.toArray(TokenShard[]::new));
    }

    /**
     * Where the shards are.
     *
     * @return the folder
     */
    public Path folder() {
        return folder;
    }

    /**
     * Which tokenizer made the tokens.
     *
     * @return its {@link Tokenizer#identity}
     */
    public String tokenizer() {
        return index.tokenizer();
    }

    /**
     * The number of token ids.
     *
     * @return that of the tokenizer; every token is less
     */
    public int vocabSize() {
        return index.vocabSize();
    }

    /**
     * The number of files.
     *
     * @return shards, at least 1
     */
    public int numShards() {
        return index.shards().size();
    }

    /**
     * Refuses the tokens of another tokenizer.
     *
     * @param wanted the model's
     * @throws IllegalArgumentException if it is not the one that made the tokens
     */
    public void check(Tokenizer wanted) {
        if (!wanted.identity().equals(tokenizer())) {
            throw new IllegalArgumentException("the tokens in " + folder + " were made by the tokenizer " + tokenizer()
                    + ", this one is " + wanted.identity()
                    + "; tokenize the text with the model's own tokenizer (molae tokenize --tokenizer)");
        }
    }

    private TokenShard[] opened() {
        TokenShard[] open = shards;
        if (open.length == 0) {
            throw new IllegalStateException("the tokens in " + folder + " are closed");
        }
        return open;
    }

    @Override
    public long documents() {
        return firstDocument[firstDocument.length - 1];
    }

    @Override
    public long tokens() {
        return firstToken[firstToken.length - 1];
    }

    @Override
    public long start(long document) {
        Objects.checkIndex(document, documents() + 1);
        int shard = shardOf(firstDocument, document);
        return firstToken[shard] + opened()[shard].start(document - firstDocument[shard]);
    }

    @Override
    public long documentOf(long position) {
        Objects.checkIndex(position, tokens());
        int shard = shardOf(firstToken, position);
        TokenShard within = opened()[shard];
        long at = position - firstToken[shard];
        long first = 0;
        long end = within.documents();
        while (end - first > 1) {
            long middle = (first + end) >>> 1;
            if (within.start(middle) <= at) {
                first = middle;
            } else {
                end = middle;
            }
        }
        return firstDocument[shard] + first;
    }

    /** The last shard that begins at most there; the last of all for what is after it. */
    private static int shardOf(long[] firsts, long at) {
        int first = 0;
        int end = firsts.length - 1;
        while (end - first > 1) {
            int middle = (first + end) >>> 1;
            if (firsts[middle] <= at) {
                first = middle;
            } else {
                end = middle;
            }
        }
        return first;
    }

    @Override
    public boolean masked() {
        return masked;
    }

    @Override
    public void copyTokens(long position, int[] target, int offset, int count) {
        copy(position, offset, count, (shard, at, to, some) -> shard.copyTokens(at, target, to, some));
    }

    @Override
    public void copyTrained(long position, boolean[] target, int offset, int count) {
        copy(position, offset, count, (shard, at, to, some) -> shard.copyTrained(at, target, to, some));
    }

    private interface Copy {
        void run(TokenShard shard, long position, int offset, int count);
    }

    private void copy(long position, int offset, int count, Copy copy) {
        Objects.checkFromIndexSize(position, count, tokens());
        TokenShard[] open = opened();
        int shard = shardOf(firstToken, position);
        int done = 0;
        while (done < count) {
            long at = position + done;
            int some = (int) Math.min(count - done, firstToken[shard + 1] - at);
            copy.run(open[shard], at - firstToken[shard], offset + done, some);
            done += some;
            shard++;
        }
    }

    @Override
    public String fingerprint() {
        return index.content();
    }

    /** Lets the files go. What is read afterwards is an {@link IllegalStateException}. */
    @Override
    public void close() {
        shards = new TokenShard[0];
    }
}
