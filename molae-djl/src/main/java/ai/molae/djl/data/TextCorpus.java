package ai.molae.djl.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Enumeration;
import java.util.List;
import java.util.Random;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * The texts of some files, in a fixed order. Files that are not valid UTF-8 or hold a zero byte are left out and counted.
 *
 * @param documents the texts
 * @param skipped how many files were no UTF-8 text
 */
public record TextCorpus(List<String> documents, int skipped) {

    /** How much more than the share may be held back for the sake of whole documents. */
    private static final double CUT_ABOVE = 1.5;

    /**
     * Copies the list.
     *
     * @param documents the texts
     * @param skipped how many files were no UTF-8 text
     */
    public TextCorpus {
        documents = List.copyOf(documents);
    }

    /**
     * Reads a file, every file below a folder, or every entry of a jar or zip file, in the order of their names.
     *
     * @param path file, folder or archive
     * @param wanted which files to take, by name; a single file is always taken
     * @return the texts
     * @throws IOException if the path does not exist or cannot be read
     */
    public static TextCorpus read(Path path, Predicate<String> wanted) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString());
        }
        Collector collector = new Collector();
        if (Files.isDirectory(path)) {
            try (Stream<Path> files = Files.walk(path)) {
                for (Path file : files.filter(Files::isRegularFile)
                        .filter(file -> wanted.test(file.toString()))
                        .sorted()
                        .toList()) {
                    collector.add(Files.readAllBytes(file));
                }
            }
        } else if (path.toString().endsWith(".jar") || path.toString().endsWith(".zip")) {
            try (ZipFile archive = new ZipFile(path.toFile())) {
                for (ZipEntry entry : sorted(archive.entries())) {
                    if (!entry.isDirectory() && wanted.test(entry.getName())) {
                        try (InputStream in = archive.getInputStream(entry)) {
                            collector.add(in.readAllBytes());
                        }
                    }
                }
            }
        } else {
            collector.add(Files.readAllBytes(path));
        }
        return new TextCorpus(collector.documents, collector.skipped);
    }

    private static List<? extends ZipEntry> sorted(Enumeration<? extends ZipEntry> entries) {
        return Collections.list(entries).stream()
                .sorted((a, b) -> a.getName().compareTo(b.getName()))
                .toList();
    }

    /**
     * This corpus followed by another.
     *
     * @param other the other corpus
     * @return both
     */
    public TextCorpus plus(TextCorpus other) {
        return new TextCorpus(
                Stream.concat(documents.stream(), other.documents.stream()).toList(), skipped + other.skipped);
    }

    /**
     * Encodes the documents in a random order that the seed fixes, each followed by {@link Tokenizer#endOfText()}, and keeps the last ones
     * for validation. Whole documents, unless that would hold back much more than the share: then the first of them is cut.
     *
     * @param tokenizer the tokenizer
     * @param validationShare share of the tokens, between 0 and 1, that the validation part has at least
     * @param seed seed of the order
     * @return tokens to train on and tokens to validate on
     * @throws IllegalArgumentException if the corpus has no text or the share is out of range
     */
    public Split split(Tokenizer tokenizer, double validationShare, long seed) {
        if (!(validationShare > 0 && validationShare < 1)) {
            throw new IllegalArgumentException("validationShare must be between 0 and 1, got " + validationShare);
        }
        List<int[]> encoded = new ArrayList<>();
        for (String document : documents) {
            encoded.add(IntStream.concat(IntStream.of(tokenizer.encode(document)), IntStream.of(tokenizer.endOfText()))
                    .toArray());
        }
        long total = encoded.stream().mapToLong(d -> d.length).sum();
        if (total <= documents.size()) {
            throw noText();
        }
        Collections.shuffle(encoded, new Random(seed));
        int[] tokens = join(encoded);
        int least = (int) Math.ceil(tokens.length * validationShare);
        int held = 0;
        for (int i = encoded.size() - 1; held < least; i--) {
            held += encoded.get(i).length;
        }
        if (held > CUT_ABOVE * least) {
            held = least;
        }
        int cut = tokens.length - held;
        return new Split(Arrays.copyOf(tokens, cut), Arrays.copyOfRange(tokens, cut, tokens.length));
    }

    /**
     * Encodes the documents in their order, empty ones left out.
     *
     * @param tokenizer the tokenizer; {@link DocumentEncoder.Builder#setTokenizer} says what it adds
     * @return the documents, each with {@link Tokenizer#endOfText()} at its end
     * @throws IllegalArgumentException if the corpus has no text, or more than 2^31 - 1 tokens
     */
    public TokenDocuments encode(Tokenizer tokenizer) {
        DocumentEncoder encoder =
                DocumentEncoder.builder().setTokenizer(tokenizer).build();
        MemoryDocuments.Builder encoded = new MemoryDocuments.Builder();
        for (String document : documents) {
            if (!document.isEmpty()) {
                encoded.add(encoder.text(document));
            }
        }
        if (encoded.documents() == 0) {
            throw noText();
        }
        return encoded.build();
    }

    private IllegalArgumentException noText() {
        return new IllegalArgumentException(
                "the corpus has no text: " + documents.size() + " empty documents, " + skipped + " skipped files");
    }

    private static int[] join(List<int[]> parts) {
        return parts.stream().flatMapToInt(IntStream::of).toArray();
    }

    /**
     * Tokens to train on and tokens to validate on.
     *
     * @param train tokens of the training documents
     * @param validation tokens of the documents held out
     */
    @SuppressWarnings("ArrayRecordComponent") // a plain holder of millions of tokens, never compared
    public record Split(int[] train, int[] validation) {}

    /** Decodes what is text. */
    private static final class Collector {
        private final List<String> documents = new ArrayList<>();
        private int skipped;

        private void add(byte[] bytes) {
            try {
                String text = StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(ByteBuffer.wrap(bytes))
                        .toString();
                if (text.indexOf('\0') >= 0) {
                    skipped++;
                } else {
                    documents.add(text);
                }
            } catch (CharacterCodingException e) {
                skipped++;
            }
        }
    }
}
