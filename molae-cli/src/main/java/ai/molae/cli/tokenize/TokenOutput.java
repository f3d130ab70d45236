package ai.molae.cli.tokenize;

import ai.molae.djl.data.DocumentSink;
import ai.molae.djl.data.TokenDocument;
import ai.molae.djl.data.TokenShardWriter;
import ai.molae.djl.data.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.SplittableRandom;

/** Where the documents of {@code molae tokenize} go: into one set, or at random into one to train on and one to validate on. */
final class TokenOutput implements DocumentSink, AutoCloseable {

    private final TokenShardWriter train;
    private final Optional<TokenShardWriter> validation;
    private final double validationShare;
    private final SplittableRandom random;
    private long trainedTokens;
    private long textBytes;

    /** One set for a share of 0. */
    TokenOutput(Path folder, Tokenizer tokenizer, long shardTokens, double validationShare, long seed)
            throws IOException {
        this.validationShare = validationShare;
        random = new SplittableRandom(seed);
        TokenShardWriter.Builder builder =
                TokenShardWriter.builder().setTokenizer(tokenizer).optShardTokens(shardTokens);
        if (validationShare > 0) {
            train = builder.setFolder(folder.resolve("train")).build();
            validation =
                    Optional.of(builder.setFolder(folder.resolve("validation")).build());
        } else {
            train = builder.setFolder(folder).build();
            validation = Optional.empty();
        }
    }

    @Override
    public void add(TokenDocument document) throws IOException {
        boolean held = validation.isPresent() && random.nextDouble() < validationShare;
        (held ? validation.get() : train).add(document);
        textBytes += document.textBytes();
        for (int i = 0; i < document.tokens().length; i++) {
            trainedTokens += document.isTrained(i) ? 1 : 0;
        }
    }

    void finish() throws IOException {
        if (validation.isPresent()
                && (train.documents() == 0 || validation.get().documents() == 0)) {
            throw new IllegalArgumentException("--validation-share " + validationShare + " held "
                    + validation.get().documents() + " of " + documents()
                    + " documents back; both parts need one: give another share or --seed, or more documents");
        }
        train.finish();
        if (validation.isPresent()) {
            validation.get().finish();
        }
    }

    TokenShardWriter train() {
        return train;
    }

    Optional<TokenShardWriter> validation() {
        return validation;
    }

    long documents() {
        return train.documents() + validation.map(TokenShardWriter::documents).orElse(0L);
    }

    long tokens() {
        return train.tokens() + validation.map(TokenShardWriter::tokens).orElse(0L);
    }

    long trainedTokens() {
        return trainedTokens;
    }

    long textBytes() {
        return textBytes;
    }

    @Override
    public void close() throws IOException {
        train.close();
        if (validation.isPresent()) {
            validation.get().close();
        }
    }
}
