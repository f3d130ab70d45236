package ai.molae.djl.data;

import ai.molae.djl.files.SmallText;
import ai.molae.djl.json.StrictJson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * {@code shards.json}: what a folder of shards holds.
 *
 * @param tokenizer the identity of the tokenizer
 * @param vocabSize its number of ids
 * @param content hash of the documents
 * @param shards the files, in order
 */
record ShardIndex(String tokenizer, int vocabSize, String content, List<Entry> shards) {

    static final String FILE = "shards.json";

    private static final String FORMAT = "molae-tokens";
    private static final String SHORT = "uint16";
    private static final String LONG = "uint32";

    /**
     * A shard.
     *
     * @param format its sizes
     * @param crc32c checksum of the file
     */
    record Entry(ShardFormat format, long crc32c) {}

    ShardIndex {
        shards = List.copyOf(shards);
    }

    long tokens() {
        return shards.stream().mapToLong(entry -> entry.format().tokens()).sum();
    }

    long documents() {
        return shards.stream().mapToLong(entry -> entry.format().documents()).sum();
    }

    static String typeName(int vocabSize) {
        return ShardFormat.tokenBytes(vocabSize) == Short.BYTES ? SHORT : LONG;
    }

    static String hex(long crc32c) {
        return String.format(Locale.ROOT, "%08x", crc32c);
    }

    String text() {
        JsonObject root = new JsonObject();
        root.addProperty("format", FORMAT);
        root.addProperty("version", ShardFormat.VERSION);
        root.addProperty("tokenizer", tokenizer);
        root.addProperty("vocab_size", vocabSize);
        root.addProperty("token_type", typeName(vocabSize));
        root.addProperty("documents", documents());
        root.addProperty("tokens", tokens());
        root.addProperty("content", content);
        JsonArray list = new JsonArray();
        for (int i = 0; i < shards.size(); i++) {
            ShardFormat format = shards.get(i).format();
            JsonObject shard = new JsonObject();
            shard.addProperty("file", ShardFormat.fileName(i));
            shard.addProperty("documents", format.documents());
            shard.addProperty("tokens", format.tokens());
            shard.addProperty("masked", format.masked());
            shard.addProperty("bytes", format.fileBytes());
            shard.addProperty("crc32c", hex(shards.get(i).crc32c()));
            list.add(shard);
        }
        root.add("shards", list);
        return new GsonBuilder()
                        .setPrettyPrinting()
                        .disableHtmlEscaping()
                        .create()
                        .toJson(root) + "\n";
    }

    static ShardIndex read(Path folder) throws IOException {
        Path file = folder.resolve(FILE);
        try {
            return new Reader(file).index(StrictJson.parse(SmallText.read(file, SmallText.LISTS)));
        } catch (NoSuchFileException e) {
            throw new TokenShardsException(
                    file,
                    "does not exist; it is written last, so " + folder
                            + " is no folder of tokens, or molae tokenize did not finish",
                    e);
        } catch (TokenShardsException e) {
            throw e;
        } catch (CharacterCodingException e) {
            throw new TokenShardsException(file, "is not text in UTF-8", e);
        } catch (IllegalArgumentException e) {
            throw new TokenShardsException(file, "is not JSON as molae writes it: " + e.getMessage(), e);
        }
    }

    /** Reads an index key by key. */
    private record Reader(Path file) {

        ShardIndex index(JsonObject root) {
            String format = text(root, "format");
            long version = number(root, "version");
            if (!format.equals(FORMAT) || version != ShardFormat.VERSION) {
                throw new TokenShardsException(
                        file,
                        "is of format " + format + ", version " + version + "; this molae reads " + FORMAT
                                + ", version " + ShardFormat.VERSION);
            }
            int vocabSize = (int) Math.min(Integer.MAX_VALUE, number(root, "vocab_size"));
            if (vocabSize < 1 || !text(root, "token_type").equals(typeName(vocabSize))) {
                throw new TokenShardsException(
                        file,
                        "says vocab_size " + vocabSize + " and token_type " + text(root, "token_type")
                                + "; up to 65536 ids are " + SHORT + ", more are " + LONG);
            }
            List<Entry> shards = new ArrayList<>();
            for (JsonElement shard :
                    value(root, "shards").isJsonArray() ? value(root, "shards").getAsJsonArray() : new JsonArray()) {
                shards.add(entry(object(shard, "a shard"), shards.size(), vocabSize));
            }
            ShardIndex index = new ShardIndex(text(root, "tokenizer"), vocabSize, text(root, "content"), shards);
            if (index.documents() != number(root, "documents")
                    || index.tokens() != number(root, "tokens")
                    || shards.isEmpty()) {
                throw new TokenShardsException(
                        file,
                        "says " + number(root, "documents") + " documents and " + number(root, "tokens")
                                + " tokens, its " + shards.size() + " shards have " + index.documents() + " and "
                                + index.tokens());
            }
            return index;
        }

        private Entry entry(JsonObject shard, int number, int vocabSize) {
            ShardFormat format = new ShardFormat(
                    ShardFormat.tokenBytes(vocabSize),
                    number(shard, "tokens"),
                    number(shard, "documents"),
                    truth(shard, "masked"));
            String name = text(shard, "file");
            if (!name.equals(ShardFormat.fileName(number))
                    || format.documents() < 1
                    || format.tokens() < format.documents()
                    || format.tokens() > Long.MAX_VALUE / 16
                    || format.fileBytes() != number(shard, "bytes")) {
                throw new TokenShardsException(
                        file,
                        "shard " + number + " is called " + name + " and has " + format.documents() + " documents, "
                                + format.tokens() + " tokens and " + number(shard, "bytes")
                                + " bytes; expected the name " + ShardFormat.fileName(number) + " and "
                                + format.fileBytes() + " bytes");
            }
            try {
                return new Entry(format, Long.parseLong(text(shard, "crc32c"), 16));
            } catch (NumberFormatException e) {
                throw new TokenShardsException(
                        file, "shard " + number + " has a crc32c that is no hexadecimal number", e);
            }
        }

        private JsonObject object(JsonElement element, String what) {
            if (!element.isJsonObject()) {
                throw new TokenShardsException(file, what + " must be an object");
            }
            return element.getAsJsonObject();
        }

        private JsonElement value(JsonObject object, String key) {
            JsonElement value = object.get(key);
            if (value == null) {
                throw new TokenShardsException(file, "has no " + key);
            }
            return value;
        }

        private String text(JsonObject object, String key) {
            JsonElement value = value(object, key);
            if (!value.isJsonPrimitive()) {
                throw new TokenShardsException(file, key + " must be a text");
            }
            return value.getAsString();
        }

        private boolean truth(JsonObject object, String key) {
            JsonElement value = value(object, key);
            if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isBoolean()) {
                throw new TokenShardsException(file, key + " must be true or false, got " + value);
            }
            return value.getAsBoolean();
        }

        private long number(JsonObject object, String key) {
            JsonElement value = value(object, key);
            try {
                long number = value.isJsonPrimitive() ? value.getAsBigDecimal().longValueExact() : -1;
                if (number >= 0) {
                    return number;
                }
            } catch (NumberFormatException | ArithmeticException e) {
                throw new TokenShardsException(file, key + " must be a whole number, got " + value, e);
            }
            throw new TokenShardsException(file, key + " must be a whole number, got " + value);
        }
    }
}
