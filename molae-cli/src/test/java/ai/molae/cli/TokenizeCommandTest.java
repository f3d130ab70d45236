package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.data.TokenShards;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenizeCommandTest {

    /** A BPE vocabulary of letters, with a begin-of-text token that texts get. */
    private static final String TOKENIZER =
            """
            {"version": "1.0", "truncation": null, "padding": null, "normalizer": null, "pre_tokenizer": null, "decoder": null,
             "added_tokens": [
              {"id": 0, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
              {"id": 1, "content": "</s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
             "post_processor": {"type": "TemplateProcessing",
              "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
              "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
              "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
             "model": {"type": "BPE", "unk_token": null, "fuse_unk": false, "byte_fallback": false,
              "vocab": {"<s>": 0, "</s>": 1, "a": 2, "b": 3, "c": 4, "ab": 5}, "merges": ["a b"]}}
            """;

    @TempDir
    private Path folder;

    private Path out() {
        return folder.resolve("out");
    }

    private Path texts(String... texts) throws IOException {
        Path files = Files.createDirectories(folder.resolve("texts"));
        for (int i = 0; i < texts.length; i++) {
            Files.writeString(files.resolve(String.format("%03d.txt", i)), texts[i]);
        }
        return files;
    }

    private Path tokenizer(String template) throws IOException {
        Path files = Files.createDirectories(folder.resolve("tokenizer"));
        Files.writeString(files.resolve("tokenizer.json"), TOKENIZER);
        Files.writeString(files.resolve("tokenizer_config.json"), "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}");
        if (!template.isEmpty()) {
            Files.writeString(files.resolve("chat_template.jinja"), template);
        }
        return files;
    }

    private CommandRun tokenize(Object... options) {
        List<String> args = new ArrayList<>(List.of("tokenize", "--out", out().toString()));
        Stream.of(options).map(String::valueOf).forEach(args::add);
        return CommandRun.of(args.toArray(String[]::new));
    }

    private static int[] tokens(TokenShards shards) {
        int[] tokens = new int[(int) shards.tokens()];
        shards.copyTokens(0, tokens, 0, tokens.length);
        return tokens;
    }

    private List<String> filesBeside() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    @Test
    void writesTheTokensOfAFolder() throws IOException {
        CommandRun run = tokenize("--text", texts("one", "two", "\0"), "--tokenizer", "bytes", "--shard-tokens", 4);

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .containsPattern("documents +2\n")
                .containsPattern("tokens +8\n")
                .containsPattern("bytes per token +0.750\n")
                .containsPattern("skipped files +1\n")
                .containsPattern("shards +2\n")
                .contains("Tokens: " + out());
        assertThat(run.err()).contains("tokenizing 100 %");
        try (TokenShards shards = TokenShards.open(out())) {
            shards.check(new ByteTokenizer());
            assertThat(new ByteTokenizer().decode(tokens(shards))).isEqualTo("one\0two\0");
            assertThat(shards.documents()).isEqualTo(2);
        }
        assertThat(filesBeside()).containsExactlyInAnyOrder("texts", "out");
    }

    @Test
    void usesTheTokenizerAndTheTemplateOfACheckpoint() throws IOException {
        Path lines = Files.writeString(
                folder.resolve("lines"),
                """
                {"body": "abc"}
                {"prompt": "c", "completion": "ab"}
                {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
                """);
        String template = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content + 'c' }}{% else %}"
                + "{{ m.content + eos_token }}{% endif %}{% endfor %}";

        CommandRun run =
                tokenize("--jsonl", lines, "--tokenizer", tokenizer(template), "--json-key", "body", "--quiet");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out()).containsPattern("tokens +12\n").containsPattern("tokens trained on +8\n");
        try (TokenShards shards = TokenShards.open(out())) {
            assertThat(tokens(shards)).containsExactly(0, 5, 4, 1, 0, 4, 5, 1, 2, 4, 3, 1);
            boolean[] trained = new boolean[12];
            shards.copyTrained(0, trained, 0, 12);
            assertThat(trained)
                    .containsExactly(true, true, true, true, false, false, true, true, false, false, true, true);
            assertThat(shards.vocabSize()).isEqualTo(6);
            assertThat(shards.tokenizer()).startsWith("tokenizer.json ");
        }
    }

    @Test
    void holdsDocumentsBackForValidation() throws IOException {
        Path texts = texts(IntStream.range(0, 50).mapToObj(i -> "text " + i).toArray(String[]::new));

        CommandRun run = tokenize("--text", texts, "--tokenizer", "bytes", "--validation-share", 0.2);

        assertThat(run.exitCode()).as(run.err()).isZero();
        try (TokenShards train = TokenShards.open(out().resolve("train"));
                TokenShards validation = TokenShards.open(out().resolve("validation"))) {
            assertThat(train.documents() + validation.documents()).isEqualTo(50);
            assertThat(validation.documents()).isBetween(4L, 16L);
            assertThat(run.out()).containsPattern("validation documents +" + validation.documents() + "\n");
        }
    }

    @Test
    void skipsLinesThatAreWrongIfAsked() throws IOException {
        Path lines =
                Files.writeString(folder.resolve("a.jsonl"), "{\"text\": \"a\"}\n{\"text\": 1}\n{\"text\": \"b\"}\n");

        CommandRun refused = tokenize("--text", lines, "--tokenizer", "bytes");
        assertThat(refused.exitCode()).isEqualTo(2);
        assertThat(refused.err()).contains("a.jsonl, line 2: the line has a text that is no text");
        assertThat(filesBeside()).containsExactly("a.jsonl");

        CommandRun run = tokenize("--text", lines, "--tokenizer", "bytes", "--skip-invalid");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .containsPattern("skipped lines +1\n")
                .contains("First skipped line: " + lines + ", line 2");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--tokenizer bytes | there is nothing to tokenize",
                "--tokenizer bytes --text TEXTS --shard-tokens 0 | --shard-tokens must be between 1 and 1073741824, got 0",
                "--tokenizer bytes --text TEXTS --validation-share 1 | must be between 0 and 1, got 1.0",
                "--tokenizer bytes --text nowhere | --text nowhere does not exist",
                "--tokenizer bytes --jsonl TEXTS | is a folder; use --text",
                "--tokenizer bytes --text TEXTS --json-key messages | textKey cannot be messages",
                "--tokenizer nowhere --text TEXTS | is no folder with a tokenizer.json; give a checkpoint's folder, or bytes",
                "--tokenizer bytes --text TEXTS --validation-share 0.5 | of 1 documents back; both parts need one"
            })
    void saysWhatIsWrong(String options, String message) throws IOException {
        String texts = texts("one").toString();

        CommandRun run = tokenize((Object[]) options.replace("TEXTS", texts).split(" ", -1));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(message);
        assertThat(filesBeside()).containsExactly("texts");
    }

    @Test
    void refusesAFolderThatHoldsSomethingAndTextsWithoutText() throws IOException {
        Path texts = texts("\0", "");
        CommandRun nothing = tokenize("--text", texts, "--tokenizer", "bytes");
        assertThat(nothing.exitCode()).isEqualTo(2);
        assertThat(nothing.err()).contains("no document to tokenize: 1 files are not UTF-8 text");
        assertThat(out()).doesNotExist();

        Files.createDirectory(out());
        Files.writeString(out().resolve("mine"), "mine");
        CommandRun full = tokenize("--text", texts, "--tokenizer", "bytes");
        assertThat(full.exitCode()).isEqualTo(2);
        assertThat(full.err()).contains("is not empty");
        assertThat(filesBeside()).containsExactlyInAnyOrder("texts", "out");
    }

    @Test
    void leavesNothingBehindWhenInterrupted() throws IOException, InterruptedException {
        Path lines = folder.resolve("lines.jsonl");
        Files.writeString(lines, "{\"text\": \"some words\"}\n".repeat(300_000));
        List<String> args =
                new ArrayList<>(List.of("tokenize", "--tokenizer", "bytes", "--out", out().toString(), "--text"));
        args.addAll(Collections.nCopies(20, lines.toString())); // seconds of work after the first tenth

        InterruptedRun run = InterruptedRun.of("tokenizing 10 %", args.toArray(String[]::new));

        assertThat(run.exitCode()).as(run.output()).isEqualTo(143);
        assertThat(run.output()).contains("molae: interrupted");
        assertThat(filesBeside()).containsExactly("lines.jsonl");
    }
}
