package ai.molae.djl.data;

import ai.molae.djl.files.Shown;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.jspecify.annotations.Nullable;

/**
 * Reads files into documents, one document at a time: text files, each a document, and files of JSON lines ({@code *.jsonl}), each line of
 * which is one of
 *
 * <pre>
 * {"text": "..."}                              all of it is trained on; the key can be chosen
 * {"prompt": "...", "completion": "..."}       the completion is trained on
 * {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}
 *                                              the assistant's answers are, but those with "weight": 0
 * </pre>
 *
 * <p>Other keys of a line are left alone. Text files that are not UTF-8 or hold a zero byte are left out and counted, and so are empty
 * files and blank lines. A line that is wrong is an error, or is counted. Not thread-safe.
 */
public final class DocumentReader {

    private static final String JSONL = ".jsonl";
    private static final byte[] BYTE_ORDER_MARK = {(byte) 0xEF, (byte) 0xBB, (byte) 0xBF};

    private final DocumentEncoder encoder;
    private final String textKey;
    private final boolean skipInvalid;
    private long bytesRead;
    private long skippedFiles;
    private long skippedLines;
    private @Nullable String firstSkipped;

    private DocumentReader(DocumentEncoder encoder, String textKey, boolean skipInvalid) {
        this.encoder = encoder;
        this.textKey = textKey;
        this.skipInvalid = skipInvalid;
    }

    /**
     * A reader.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Reads a file, every file below a folder, or every entry of a jar or zip file, in the order of their names. What is called
     * {@code *.jsonl} is read as JSON lines, everything else as text.
     *
     * @param path file, folder or archive
     * @param sink where the documents go
     * @throws IllegalArgumentException if a line is wrong; the message has file, line and reason
     * @throws IOException if the path does not exist or reading or writing fails
     */
    public void read(Path path, DocumentSink sink) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString());
        }
        if (Files.isDirectory(path)) {
            List<Path> files;
            try (Stream<Path> walk = Files.walk(path)) {
                files = walk.filter(Files::isRegularFile).sorted().toList();
            }
            for (Path file : files) {
                readFile(file, sink);
            }
        } else if (path.toString().endsWith(".jar") || path.toString().endsWith(".zip")) {
            readArchive(path, sink);
        } else {
            readFile(path, sink);
        }
    }

    private void readArchive(Path path, DocumentSink sink) throws IOException {
        long before = bytesRead;
        try (ZipFile archive = new ZipFile(path.toFile())) {
            List<? extends ZipEntry> entries = Collections.list(archive.entries()).stream()
                    .filter(entry -> !entry.isDirectory())
                    .sorted(Comparator.comparing(ZipEntry::getName))
                    .toList();
            for (ZipEntry entry : entries) {
                try (InputStream in = archive.getInputStream(entry)) {
                    read(path + "!" + entry.getName(), in, sink);
                }
            }
        }
        bytesRead = before + Files.size(path);
    }

    private void readFile(Path file, DocumentSink sink) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            read(file.toString(), in, sink);
        }
    }

    private void read(String name, InputStream in, DocumentSink sink) throws IOException {
        if (name.endsWith(JSONL)) {
            readLines(name, in, sink);
        } else {
            readText(name, in, sink);
        }
    }

    /**
     * Reads a file of JSON lines, whatever it is called.
     *
     * @param file the file
     * @param sink where the documents go
     * @throws IllegalArgumentException if a line is wrong; the message has file, line and reason
     * @throws IOException if reading or writing fails
     */
    public void readJsonLines(Path file, DocumentSink sink) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            readLines(file.toString(), in, sink);
        }
    }

    private void readText(String name, InputStream in, DocumentSink sink) throws IOException {
        byte[] bytes;
        try {
            bytes = in.readAllBytes();
        } catch (OutOfMemoryError e) {
            throw new IllegalArgumentException(
                    name + " does not fit into memory: a text file is one document; cut it, or write it as JSON lines",
                    e);
        }
        Optional<String> text = decode(bytes);
        // Before the sink is told, which may ask how far this is.
        bytesRead += bytes.length;
        if (text.isEmpty() || text.get().indexOf('\0') >= 0) {
            skippedFiles++;
        } else if (!text.get().isEmpty()) {
            sink.add(encoder.text(text.get()));
        }
    }

    private static Optional<String> decode(byte[] bytes) {
        try {
            return Optional.of(StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString());
        } catch (CharacterCodingException e) {
            return Optional.empty();
        }
    }

    private void readLines(String name, InputStream in, DocumentSink sink) throws IOException {
        LineReader lines = new LineReader(withoutByteOrderMark(in));
        long before = bytesRead;
        for (Optional<byte[]> line = lines.next(); line.isPresent(); line = lines.next()) {
            bytesRead = before + lines.bytes();
            TokenDocument document = document(line.get(), name + ", line " + lines.number());
            if (document != null) {
                sink.add(document);
            }
        }
    }

    private @Nullable TokenDocument document(byte[] line, String where) {
        try {
            String text = decode(line).orElseThrow(() -> new IllegalArgumentException("the line is not UTF-8 text"));
            return text.isBlank() ? null : JsonLine.encode(text, encoder, textKey);
        } catch (IllegalArgumentException e) {
            String message = where + ": " + Shown.message(e.getMessage());
            if (!skipInvalid || e instanceof DocumentEncoder.MissingTemplateException) {
                throw new IllegalArgumentException(message, e);
            }
            skippedLines++;
            firstSkipped = firstSkipped == null ? message : firstSkipped;
            return null;
        }
    }

    private static InputStream withoutByteOrderMark(InputStream in) throws IOException {
        byte[] begin = in.readNBytes(BYTE_ORDER_MARK.length);
        byte[] rest = Arrays.equals(begin, BYTE_ORDER_MARK) ? new byte[0] : begin;
        return new SequenceInputStream(new ByteArrayInputStream(rest), in);
    }

    /**
     * Reads everything into memory.
     *
     * @param paths files, folders or archives
     * @return the documents
     * @throws IllegalArgumentException if there is no document, more than 2^31 - 1 tokens, or a line is wrong
     * @throws IOException if a path does not exist or reading fails
     */
    public TokenDocuments readAll(List<Path> paths) throws IOException {
        MemoryDocuments.Builder documents = new MemoryDocuments.Builder();
        for (Path path : paths) {
            read(path, documents);
        }
        if (documents.documents() == 0) {
            throw new IllegalArgumentException("there is no document in " + paths + ": " + skippedFiles
                    + " files are not UTF-8 text, " + skippedLines + " lines were skipped"
                    + (firstSkipped == null ? "" : ", the first one " + firstSkipped));
        }
        return documents.build();
    }

    /**
     * How far reading has come.
     *
     * @return bytes of files read, so far; of an archive, those of its entries until it is done
     */
    public long bytesRead() {
        return bytesRead;
    }

    /**
     * Files that were left out.
     *
     * @return how many were no UTF-8 text
     */
    public long skippedFiles() {
        return skippedFiles;
    }

    /**
     * Lines that were left out.
     *
     * @return how many were wrong
     */
    public long skippedLines() {
        return skippedLines;
    }

    /**
     * Why lines were left out.
     *
     * @return file, line and reason of the first one, empty if there is none
     */
    public Optional<String> firstSkippedLine() {
        return Optional.ofNullable(firstSkipped);
    }

    /** Builds a {@link DocumentReader}. */
    public static final class Builder {
        private @Nullable DocumentEncoder encoder;
        private String textKey = "text";
        private boolean skipInvalid;

        private Builder() {}

        /**
         * Sets what makes the documents.
         *
         * @param encoder the encoder; one with a template for lines with messages
         * @return this builder
         */
        public Builder setEncoder(DocumentEncoder encoder) {
            this.encoder = encoder;
            return this;
        }

        /**
         * Sets where the text of a line is.
         *
         * @param textKey the key, {@code text} by default
         * @return this builder
         */
        public Builder optTextKey(String textKey) {
            this.textKey = textKey;
            return this;
        }

        /**
         * Sets what happens to a line that is wrong.
         *
         * @param skipInvalid true to count it and go on, false, the default, to refuse it
         * @return this builder
         */
        public Builder optSkipInvalid(boolean skipInvalid) {
            this.skipInvalid = skipInvalid;
            return this;
        }

        /**
         * Builds the reader.
         *
         * @return the reader
         * @throws IllegalArgumentException if the encoder is missing, or the key is one that means something else
         */
        public DocumentReader build() {
            if (encoder == null) {
                throw new IllegalArgumentException("setEncoder is missing");
            }
            if (textKey.equals("messages") || textKey.equals("completion")) {
                throw new IllegalArgumentException(
                        "textKey cannot be " + textKey + ", which is the key of something else");
            }
            return new DocumentReader(encoder, textKey, skipInvalid);
        }
    }
}
