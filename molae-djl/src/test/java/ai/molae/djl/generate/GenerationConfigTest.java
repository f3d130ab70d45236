package ai.molae.djl.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GenerationConfigTest {

    private static final String FILE = "generation_config.json";

    @TempDir
    Path folder;

    private GenerationConfig read(String json) throws IOException {
        Files.writeString(folder.resolve(FILE), json);
        return GenerationConfig.read(folder);
    }

    @Test
    void readsEveryFieldOfSampling() throws IOException {
        GenerationConfig config = read(
                """
                {"bos_token_id": 1, "eos_token_id": [5, 3], "pad_token_id": 0, "do_sample": true, "temperature": 0.6, "top_k": 20,
                 "top_p": 0.95, "min_p": 0.05, "repetition_penalty": 1.1, "max_new_tokens": 64, "max_length": 2048}
                """);
        assertThat(config.sampling().build()).isEqualTo(new Sampling(0.6, 20, 0.95, 0.05, 1.1, 0, 64, Set.of(3, 5)));
        assertThat(config.eosTokens()).containsExactly(5, 3);
        assertThat(config.bosToken()).hasValue(1);
        assertThat(config.padToken()).hasValue(0);
    }

    @Test
    void anEmptyFileLeavesTheDefaultsOfTheBuilderButIsGreedyAsInHuggingFace() throws IOException {
        assertThat(read("{}").sampling().build())
                .isEqualTo(Sampling.builder().optTemperature(0).build());
    }

    @Test
    void drawsOnlyWhereToldTo() throws IOException {
        assertThat(read("{\"temperature\": 0.7}").sampling().build().temperature())
                .isZero();
        assertThat(read("{\"temperature\": 0.7, \"do_sample\": false}")
                        .sampling()
                        .build()
                        .temperature())
                .isZero();
        assertThat(read("{\"do_sample\": true}").sampling().build().temperature())
                .isEqualTo(1);
    }

    @Test
    void drawsFromFiftyTokensUnlessToldOtherwise() throws IOException {
        assertThat(read("{\"do_sample\": true}").sampling().build().topK()).isEqualTo(50);
        assertThat(read("{\"do_sample\": true, \"top_k\": 0}")
                        .sampling()
                        .build()
                        .topK())
                .isZero();
    }

    @Test
    void ignoresNullsAndWhatItDoesNotKnow() throws IOException {
        GenerationConfig config = read(
                """
                {"_from_model_config": true, "eos_token_id": 2, "min_p": null, "top_k": null, "do_sample": null,
                 "transformers_version": "4.51.0", "suppress_tokens": [1, 2], "guidance_scale": Infinity}
                """);
        assertThat(config.sampling().build())
                .isEqualTo(Sampling.builder()
                        .optTemperature(0)
                        .optStopTokens(Set.of(2))
                        .build());
    }

    @Test
    void takesTheSpecialTokensOfTheModelWhereItNamesNone() throws IOException {
        Files.writeString(
                folder.resolve("config.json"),
                "{\"bos_token_id\": 7, \"eos_token_id\": [8, 9], \"pad_token_id\": 9, \"top_k\": \"no matter\"}");
        GenerationConfig ofTheModel = GenerationConfig.read(folder);
        assertThat(ofTheModel.bosToken()).hasValue(7);
        assertThat(ofTheModel.eosTokens()).containsExactly(8, 9);
        assertThat(ofTheModel.padToken()).hasValue(9);
        assertThat(ofTheModel.topK()).isEmpty();

        GenerationConfig ofBoth = read("{\"eos_token_id\": 4, \"pad_token_id\": null}");
        assertThat(ofBoth.eosTokens()).containsExactly(4);
        assertThat(ofBoth.bosToken()).hasValue(7);
        assertThat(ofBoth.padToken()).hasValue(9);
    }

    @Test
    void limitsTheNewTokensByTheLengthOfTheWhole() throws IOException {
        GenerationConfig config = read("{\"max_length\": 100}");
        assertThat(config.sampling(30).build().maxNewTokens()).isEqualTo(70);
        assertThatThrownBy(() -> config.sampling(100))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the prompt has 100 tokens")
                .hasMessageContaining("max_length = 100");
        assertThat(read("{\"max_length\": 100, \"max_new_tokens\": 5}")
                        .sampling(300)
                        .build()
                        .maxNewTokens())
                .isEqualTo(5);
        assertThat(read("{}").sampling(3000).build().maxNewTokens()).isEqualTo(128);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"temperature\": \"hot\"} | temperature must be a number, got \"hot\"",
                "{\"temperature\": -1}      | temperature must be finite and at least 0, got -1.0",
                "{\"temperature\": NaN}     | temperature must be a number, got \"NaN\"",
                "{\"top_k\": 2.5}           | top_k must be an integer of 32 bits, got 2.5",
                "{\"top_k\": -1}            | top_k must be at least 0 (0: all tokens), got -1",
                "{\"top_p\": 0}             | top_p must be in (0, 1], got 0.0",
                "{\"top_p\": [0.9]}         | top_p must be a number, got [0.9]",
                "{\"min_p\": 2}             | min_p must be in [0, 1], got 2.0",
                "{\"repetition_penalty\": 0}| repetition_penalty must be finite and positive, got 0.0",
                "{\"do_sample\": 1}         | do_sample must be true or false, got 1",
                "{\"max_new_tokens\": 0}    | max_new_tokens must be at least 1, got 0",
                "{\"max_length\": 1e12}     | max_length must be an integer of 32 bits, got 1E+12",
                "{\"eos_token_id\": [1,\"</s>\"]} | eos_token_id must be an integer of 32 bits or a list of them, got [1,\"</s>\"]",
                "{\"eos_token_id\": [1,-2]} | eos_token_id must be token ids, at least 0, got -2",
                "{\"pad_token_id\": -1}     | pad_token_id must be a token id, at least 0, got -1",
                "[]                         | must hold a JSON object",
                "{\"top_k\":                | is not JSON"
            })
    void refusesWrongValuesWithFileKeyAndValue(String json, String message) {
        assertThatThrownBy(() -> read(json))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(folder.resolve(FILE).toString())
                .hasMessageContaining(message);
    }

    @Test
    void refusesAFolderThatIsNoCheckpoint() {
        assertThatThrownBy(() -> GenerationConfig.read(folder))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining(folder.toString())
                .hasMessageContaining(FILE);
    }
}
