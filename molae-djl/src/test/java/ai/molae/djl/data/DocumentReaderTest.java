package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DocumentReaderTest {

    private static final ChatTemplate TEMPLATE = ChatTemplate.of(
            "{% for m in messages %}<{{ m.role }}>{{ m.content }}|{% endfor %}"
                    + "{% if add_generation_prompt %}<assistant>{% endif %}",
            Map.of());

    private final ByteTokenizer tokenizer = new ByteTokenizer();

    @TempDir
    private Path folder;

    private DocumentReader.Builder reader() {
        return DocumentReader.builder()
                .setEncoder(DocumentEncoder.builder()
                        .setTokenizer(tokenizer)
                        .optTemplate(TEMPLATE)
                        .build());
    }

    /** The documents as text; what is not trained on stands in brackets, and the end of a text is a dollar sign. */
    private List<String> read(DocumentReader reader, Path path) throws IOException {
        List<String> documents = new ArrayList<>();
        reader.read(path, document -> documents.add(shown(document)));
        return documents;
    }

    private String shown(TokenDocument document) {
        StringBuilder text = new StringBuilder();
        boolean before = true;
        for (int i = 0; i < document.tokens().length; i++) {
            if (document.isTrained(i) != before) {
                text.append(before ? "[" : "]");
                before = !before;
            }
            text.append((char) document.tokens()[i]);
        }
        return text.append(before ? "" : "]").toString().replace('\0', '$');
    }

    private Path file(String name, String... lines) throws IOException {
        return Files.writeString(folder.resolve(name), String.join("\n", lines));
    }

    @Test
    void readsTextsPromptsAndConversations() throws IOException {
        Path file = file(
                "a.jsonl",
                "{\"text\": \"one\", \"id\": 7}",
                "",
                "{\"prompt\": \"1+1=\", \"completion\": \"2\"}\r",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Yo\"}]}");

        assertThat(read(reader().build(), file)).containsExactly("one$", "[1+1=]2$", "[<user>Hi|<assistant>]Yo|");
    }

    @Test
    void answersOfWeightZeroAreOnlyRead() throws IOException {
        Path file = file(
                "a.jsonl",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\", \"weight\": 0},"
                        + " {\"role\": \"user\", \"content\": \"c\", \"name\": null}, {\"role\": \"assistant\", \"content\": \"d\", \"weight\": 1}]}");

        assertThat(read(reader().build(), file)).containsExactly("[<user>a|<assistant>b|<user>c|<assistant>]d|");
    }

    @Test
    void readsAnotherKey() throws IOException {
        assertThat(read(reader().optTextKey("content").build(), file("a.jsonl", "{\"content\": \"x\", \"text\": 1}")))
                .containsExactly("x$");
    }

    @Test
    void foldersAndArchivesHoldTextsAndLinesInTheOrderOfTheirNames() throws IOException {
        Files.createDirectory(folder.resolve("c"));
        file("c/d.txt", "plain {\"text\": 1}");
        file("b.jsonl", "{\"text\": \"l1\"}", "{\"text\": \"l2\"}");
        file("a.txt", "first");
        file("empty.txt", "");
        Files.write(folder.resolve("image"), new byte[] {(byte) 0xFF, 0x41});
        Path zip = folder.resolve("z.zip");

        DocumentReader reader = reader().build();
        assertThat(read(reader, folder)).containsExactly("first$", "l1$", "l2$", "plain {\"text\": 1}$");
        assertThat(reader.skippedFiles()).isEqualTo(1);
        assertThat(reader.bytesRead()).isEqualTo(5 + 29 + 2 + 17);

        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(zip))) {
            for (String name : List.of("y.jsonl", "x.txt")) {
                out.putNextEntry(new ZipEntry(name));
                out.write("{\"text\": \"zipped\"}".getBytes(StandardCharsets.UTF_8));
            }
        }
        DocumentReader archive = reader().build();
        assertThat(read(archive, zip)).containsExactly("{\"text\": \"zipped\"}$", "zipped$");
        assertThat(archive.bytesRead()).isEqualTo(Files.size(zip));
    }

    @Test
    void linesMayBeLongerThanTheBufferAndTheFileMayBeginWithAByteOrderMark() throws IOException {
        String text = "x".repeat(200_000);
        Path file = file("a.jsonl", "\uFEFF{\"text\": \"" + text + "\"}", "{\"text\": \"y\"}", "");
        DocumentReader reader = reader().build();

        assertThat(read(reader, file)).containsExactly(text + "$", "y$");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"text\": \"x\" | the line is not JSON",
                "{'text': \"x\"} | the line is not JSON",
                "{\"text\": \"x\"} {} | the line is not JSON",
                "[1] | a line must be one JSON object",
                "{\"txt\": \"x\"} | needs one of text, messages, or prompt with completion; it has [txt]",
                "{\"text\": \"x\", \"messages\": []} | it has [text, messages]",
                "{\"text\": 1} | the line has a text that is no text",
                "{\"text\": \"\"} | the text is empty",
                "{\"text\": \"\\ud83d\"} | half a surrogate pair",
                "{\"completion\": \"x\"} | the line has no prompt",
                "{\"prompt\": \"x\", \"completion\": \"\"} | the completion is empty",
                "{\"messages\": {}} | messages must be a list",
                "{\"messages\": [1]} | message 1 must be an object",
                "{\"messages\": [{\"role\": \"user\"}]} | message 1 has no content",
                "{\"messages\": [{\"role\": \" \", \"content\": \"x\"}]} | needs a role",
                "{\"messages\": [{\"role\": \"user\", \"content\": []}]} | message 1 has a content that is no text",
                "{\"messages\": [{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [1]}]} | message 1 has tool_calls",
                "{\"messages\": [{\"role\": \"assistant\", \"content\": \"x\", \"weight\": 2}]} | has the weight 2",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]} | none of the 1 messages is an answer",
                "{\"messages\": [], \"tools\": [1]} | has tools"
            })
    void aLineThatIsWrongIsNamedOrSkipped(String line, String reason) throws IOException {
        Path file = file("a.jsonl", "{\"text\": \"one\"}", line, "{\"text\": \"three\"}");

        assertThatThrownBy(() -> read(reader().build(), file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(file + ", line 2: ")
                .hasMessageContaining(reason);
        DocumentReader skipping = reader().optSkipInvalid(true).build();
        assertThat(read(skipping, file)).containsExactly("one$", "three$");
        assertThat(skipping.skippedLines()).isEqualTo(1);
        assertThat(skipping.firstSkippedLine().orElseThrow()).contains("line 2").contains(reason);
    }

    @Test
    void bytesThatAreNoTextAreALineThatIsWrong() throws IOException {
        Path file = folder.resolve("a.jsonl");
        Files.write(file, new byte[] {'{', '}', '\n', (byte) 0xFF, '\n'});

        DocumentReader skipping = reader().optSkipInvalid(true).build();
        assertThat(read(skipping, file)).isEmpty();
        assertThat(skipping.skippedLines()).isEqualTo(2);
        assertThatThrownBy(() -> reader().optSkipInvalid(true).build().readAll(List.of(file)))
                .hasMessageContaining("2 lines were skipped, the first one " + file + ", line 1");
    }

    @Test
    void aMissingTemplateIsNoFaultOfTheLine() throws IOException {
        Path file = file("a.jsonl", "{\"messages\": [{\"role\": \"assistant\", \"content\": \"b\"}]}");
        DocumentReader reader = DocumentReader.builder()
                .setEncoder(DocumentEncoder.builder().setTokenizer(tokenizer).build())
                .optSkipInvalid(true)
                .build();

        assertThatThrownBy(() -> read(reader, file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("line 1")
                .hasMessageContaining("needs a chat template");
    }

    @Test
    void readsAllIntoMemory() throws IOException {
        Path a = file("a.jsonl", "{\"prompt\": \"ab\", \"completion\": \"c\"}");
        Path b = file("b.txt", "de");

        TokenDocuments documents = reader().build().readAll(List.of(a, b));

        assertThat(documents.documents()).isEqualTo(2);
        assertThat(documents.start(1)).isEqualTo(4);
        boolean[] trained = new boolean[7];
        documents.copyTrained(0, trained, 0, 7);
        assertThat(trained).containsExactly(false, false, true, true, true, true, true);
    }

    @Test
    void aCorpusIsEncodedDocumentByDocument() {
        TokenDocuments documents = new TextCorpus(List.of("ab", "", "c"), 0).encode(tokenizer);

        assertThat(documents.documents()).isEqualTo(2);
        assertThat(documents.tokens()).isEqualTo(5);
        assertThatThrownBy(() -> new TextCorpus(List.of(""), 3).encode(tokenizer))
                .hasMessageContaining("1 empty documents, 3 skipped");
    }
}
