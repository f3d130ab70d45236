package ai.molae.djl.safetensors;

import com.google.gson.stream.JsonWriter;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The header of a file: 8 bytes of length, little-endian, then a JSON object
 *
 * <pre>{@code
 * {"__metadata__": {"format": "pt"}, "a name": {"dtype": "BF16", "shape": [4, 2], "data_offsets": [0, 16]}, ...}
 * }</pre>
 *
 * whose offsets count from its end and cover the rest of the file without hole or overlap.
 *
 * @param tensors in the order of the file
 * @param metadata in the order of the header
 */
record Header(Map<String, TensorInfo> tensors, Map<String, String> metadata) {

    /** Bytes of the length. */
    static final int LENGTH_BYTES = 8;
    /** Other readers refuse longer headers too. */
    static final long MAX_BYTES = 100_000_000;

    private static final String TYPE = "dtype";
    private static final String SHAPE = "shape";
    private static final String OFFSETS = "data_offsets";

    /** A tensor as the header has it; offsets count from the end of the header. */
    private record Entry(TensorSpec spec, long begin, long end) {}

    /**
     * Reads a header.
     *
     * @param file for messages
     * @param json the header without its length
     * @param dataBytes what the file has after it
     */
    static Header parse(Path file, byte[] json, long dataBytes) throws SafetensorsException {
        if (json.length == 0 || json[0] != '{') {
            throw new SafetensorsException(
                    file,
                    "the header of " + json.length + " bytes does not begin with '{'; is this a safetensors file?");
        }
        Map<String, String> metadata = new LinkedHashMap<>();
        List<Entry> entries = JsonText.read(file, "the header", json, text -> {
            List<Entry> list = new ArrayList<>();
            text.object("the header", name -> {
                if (name.equals(TensorSpec.METADATA)) {
                    text.object(TensorSpec.METADATA, key -> {
                        String where = TensorSpec.METADATA + "." + TensorSpec.shown(key);
                        metadata.put(key, text.string(where));
                    });
                } else {
                    list.add(entry(text, name));
                }
            });
            return list;
        });
        return new Header(
                place(file, entries, LENGTH_BYTES + (long) json.length, dataBytes),
                Collections.unmodifiableMap(metadata));
    }

    private static Entry entry(JsonText text, String name) throws IOException {
        EntryFields fields = new EntryFields();
        String tensor = "tensor " + TensorSpec.shown(name);
        text.object(tensor, key -> {
            String where = tensor + ": " + TensorSpec.shown(key);
            switch (key) {
                case TYPE -> fields.type = type(text, where);
                case SHAPE -> fields.shape = text.integers(where);
                case OFFSETS -> fields.offsets = text.integers(where);
                default -> throw text.fault(where + " is no key of a tensor, which has dtype, shape and data_offsets");
            }
        });
        if (fields.type == null || fields.shape == null || fields.offsets == null) {
            String missing = fields.type == null ? TYPE : fields.shape == null ? SHAPE : OFFSETS;
            throw text.fault(tensor + " has no " + missing);
        }
        if (fields.offsets.size() != 2) {
            throw text.fault(tensor + ": data_offsets must be 2 numbers, got " + fields.offsets.size());
        }
        try {
            TensorSpec spec = new TensorSpec(name, fields.type, fields.shape);
            return new Entry(spec, fields.offsets.get(0), fields.offsets.get(1));
        } catch (IllegalArgumentException e) {
            throw text.fault(String.valueOf(e.getMessage()));
        }
    }

    private static TensorType type(JsonText text, String where) throws IOException {
        String name = text.string(where);
        Optional<TensorType> type = TensorType.ofSafetensorsName(name);
        if (type.isEmpty()) {
            throw text.fault(
                    where + " must be one of " + List.of(TensorType.values()) + ", got " + TensorSpec.shown(name));
        }
        return type.get();
    }

    /** What the keys of an entry have given so far. */
    private static final class EntryFields {
        private @Nullable TensorType type;
        private @Nullable List<Long> shape;
        private @Nullable List<Long> offsets;
    }

    /** Checks that the tensors cover the data, and puts them in its order. */
    private static Map<String, TensorInfo> place(Path file, List<Entry> entries, long dataStart, long dataBytes)
            throws SafetensorsException {
        entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        Map<String, TensorInfo> tensors = new LinkedHashMap<>();
        long covered = 0;
        String before = "the header";
        for (Entry entry : entries) {
            TensorSpec spec = entry.spec();
            String name = TensorSpec.shown(spec.name());
            String range = "tensor " + name + " has the offsets [" + entry.begin() + ", " + entry.end() + "]";
            if (entry.begin() > entry.end()) {
                throw new SafetensorsException(file, range + ", which end before they begin");
            }
            if (entry.end() - entry.begin() != spec.bytes()) {
                throw new SafetensorsException(
                        file,
                        range + ", " + (entry.end() - entry.begin()) + " bytes, but shape "
                                + TensorSpec.shown(spec.shape()) + " of " + spec.type() + " has " + spec.bytes());
            }
            if (entry.end() > dataBytes) {
                throw new SafetensorsException(
                        file, range + ", but the file has only " + dataBytes + " bytes of data; is it cut off?");
            }
            if (entry.begin() != covered) {
                String fault = entry.begin() < covered ? ", overlapping " : ", with a hole after ";
                throw new SafetensorsException(file, range + fault + before + ", which ends at " + covered);
            }
            covered = entry.end();
            before = "tensor " + name;
            tensors.put(
                    spec.name(),
                    new TensorInfo(spec.name(), spec.type(), spec.shape(), dataStart + entry.begin(), spec.bytes()));
        }
        if (covered != dataBytes) {
            throw new SafetensorsException(
                    file, "the tensors end at byte " + covered + " of the data, but the file has " + dataBytes);
        }
        return Collections.unmodifiableMap(tensors);
    }

    /**
     * Writes a header, filled up with spaces so that the data begins at a multiple of 8.
     *
     * @param tensors in the order of their data, which follow each other without gap
     * @param metadata may be empty
     * @return length and JSON
     */
    static byte[] bytes(List<TensorSpec> tensors, Map<String, String> metadata) {
        StringWriter text = new StringWriter();
        try (JsonWriter json = new JsonWriter(text)) {
            json.beginObject();
            if (!metadata.isEmpty()) {
                json.name(TensorSpec.METADATA).beginObject();
                for (Map.Entry<String, String> entry : metadata.entrySet()) {
                    json.name(entry.getKey()).value(entry.getValue());
                }
                json.endObject();
            }
            long begin = 0;
            for (TensorSpec tensor : tensors) {
                json.name(tensor.name()).beginObject();
                json.name(TYPE).value(tensor.type().safetensorsName());
                json.name(SHAPE).beginArray();
                for (long size : tensor.shape()) {
                    json.value(size);
                }
                json.endArray();
                json.name(OFFSETS).beginArray();
                json.value(begin).value(begin + tensor.bytes());
                json.endArray().endObject();
                begin += tensor.bytes();
            }
            json.endObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a string cannot fail to be written
        }
        byte[] utf8 = text.toString().getBytes(StandardCharsets.UTF_8);
        int padded = (utf8.length + 7) / 8 * 8;
        if (padded > MAX_BYTES) {
            throw new IllegalArgumentException("a header of " + padded + " bytes for " + tensors.size()
                    + " tensors is longer than the format's " + MAX_BYTES + "; write smaller shards");
        }
        ByteBuffer header = ByteBuffer.allocate(LENGTH_BYTES + padded).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(padded).put(utf8);
        while (header.hasRemaining()) {
            header.put((byte) ' ');
        }
        return header.array();
    }
}
