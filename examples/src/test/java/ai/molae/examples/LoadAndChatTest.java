package ai.molae.examples;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.torch.Precision;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LoadAndChatTest {

    @TempDir
    private Path folder;

    private String chat(String input) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
            LoadAndChat.run(folder, Precision.FLOAT32, new BufferedReader(new StringReader(input)), out);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /** What the model makes of a prompt at once, without streaming. */
    private String continued(String prompt, int tokens) throws IOException {
        Sampling sampling = Sampling.builder()
                .optTemperature(0)
                .optMaxNewTokens(tokens)
                .optStopTokens(java.util.List.of(0))
                .build();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                HfTokenizer tokenizer = HfTokenizer.load(folder);
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            Generator generator = new Generator(checkpoint.loadForInference(manager, Precision.FLOAT32));
            return tokenizer.decode(generator.generate(tokenizer.encode(prompt), sampling), true);
        }
    }

    @Test
    void streamsWhatTheModelAnswersInTheWholeConversation() throws IOException {
        TinyCheckpoint.writeChat(folder, 512);

        String said = chat("hello\nand then?\n\nnot read\n");

        String first = continued("user: hello\nassistant: ", 256);
        String second = continued("user: hello\nassistant: " + first + "\nuser: and then?\nassistant: ", 256);
        assertThat(said).contains("> " + first + System.lineSeparator() + "[");
        assertThat(said).contains("> " + second + System.lineSeparator() + "[");
        assertThat(said).containsPattern("tokens after 23 of the prompt, [0-9.,]+ tokens/s, ended by ");
        assertThat(said.split("tokens/s", -1)).hasSize(3);
    }

    @Test
    void forgetsWhatWasSaidFirstWhenTheContextIsFull() throws IOException {
        TinyCheckpoint.writeChat(folder, 100);

        String said = chat("hello\nand then?\n");

        assertThat(said).contains("> " + continued("user: and then?\nassistant: ", 50) + System.lineSeparator() + "[");
    }

    @Test
    void continuesTextWhereThereIsNoChatTemplateAndSaysSo() throws IOException {
        TinyCheckpoint.write(folder, 100);

        String said = chat("hello\n" + "long ".repeat(30) + "\nhello\n");

        assertThat(said).contains("no chat template, so it does not answer, but continues what you write");
        String answer = "> " + continued("hello", 50) + System.lineSeparator() + "[";
        assertThat(said.split(java.util.regex.Pattern.quote(answer), -1)).hasSize(3);
        assertThat(said).contains("> cannot answer: the prompt has 150 tokens");
    }
}
