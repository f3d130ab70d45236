package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * tokenizer.json with something wrong, in a process of its own: the native library ends the process over an error it does not expect. The file
 * that did it is still there then.
 */
class HfTokenizerFuzzTest {

    private static final String TEXT = "hello  world <|im_end|> \u65e5\ud83d\ude00 e\u0301\u0000";

    /** Components of all kinds, so that faults in them come up. */
    private static final List<String> COMPONENTS = List.of(
            "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"_\"},"
                    + "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" +\"},\"content\":\"_\"}]}",
            "\"normalizer\":{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}",
            "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
                    + "\"strip_accents\":null,\"lowercase\":true}",
            "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\",\"split\":true}",
            "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},"
                    + "{\"type\":\"Punctuation\",\"behavior\":\"Isolated\"},{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"o\"}]}",
            "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"l*\"},\"behavior\":\"MergedWithNext\",\"invert\":true}",
            "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"_\"},\"content\":\" \"},"
                    + "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}",
            "\"decoder\":{\"type\":\"CTC\",\"pad_token\":\"x\",\"word_delimiter_token\":\"|\",\"cleanup\":true}",
            "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
            "\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"</s>\",2],\"cls\":[\"<s>\",1],"
                    + "\"trim_offsets\":true,\"add_prefix_space\":true}",
            "\"truncation\":{\"direction\":\"Right\",\"max_length\":1,\"strategy\":\"LongestFirst\",\"stride\":0}",
            "\"padding\":{\"strategy\":{\"Fixed\":100},\"direction\":\"Right\",\"pad_to_multiple_of\":8,\"pad_id\":0,"
                    + "\"pad_type_id\":0,\"pad_token\":\"x\"}",
            "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
                    + "\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":0,\"hello\":1,\"##w\":2,\"w\":3}}",
            "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,\"vocab\":[[\"<unk>\",0.0],[\"he\",-1.5],[\"l\",-2.5]]}",
            "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"[UNK]\",\"vocab\":{\"[UNK]\":0,\"hello\":1}}",
            "\"model\":{\"type\":\"BPE\",\"dropout\":0.5,\"unk_token\":\"a\",\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":\"\","
                    + "\"fuse_unk\":true,\"byte_fallback\":true,\"ignore_merges\":true,\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}");

    @TempDir
    Path folder;

    /** A small file with one of the components in the place of its own. */
    private static byte[] input(List<String> files, SplittableRandom random) {
        String text = files.get(random.nextInt(files.size()));
        if (random.nextInt(3) > 0) {
            String component = COMPONENTS.get(random.nextInt(COMPONENTS.size()));
            String key = component.substring(0, component.indexOf(':'));
            // The later one of two keys counts nowhere; the file's own one gets another name.
            text = "{" + component + ","
                    + text.replaceFirst(key, "\"was_" + key.substring(1)).substring(1);
        }
        byte[] bytes = JsonMutations.mutate(text, random).getBytes(StandardCharsets.UTF_8);
        return random.nextInt(8) == 0 ? ByteMutations.damage(bytes, random) : bytes;
    }

    /** The process that may die. */
    static final class Child {
        public static void main(String[] args) throws IOException {
            Path folder = Path.of(args[0]);
            List<String> files = new ArrayList<>();
            for (String name : List.of("byte-level", "byte-fallback")) {
                files.add(Files.readString(TestTokenizers.folder(name).resolve("tokenizer.json"))
                        .strip());
            }
            Fuzz.Tally tally = Fuzz.of("tokenizer.json", Integer.parseInt(args[1]))
                    .naming("tokenizer.json")
                    .run(random -> input(files, random), bytes -> {
                        Files.write(folder.resolve("tokenizer.json"), bytes);
                        try (HfTokenizer tokenizer = HfTokenizer.load(folder)) {
                            int[] tokens = tokenizer.encode(TEXT, true);
                            tokenizer.decode(tokens, true);
                            tokenizer.decode(IntStream.range(0, 300).toArray());
                            tokenizer.encode("");
                        }
                    });
            System.out.println("done: " + tally);
        }
    }

    @Test
    void filesAreReadOrRefusedAndTheProcessLives() throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:-CreateCoredumpOnCrash",
                "-Xmx512m",
                "-Dai.djl.offline=true"));
        for (String property : List.of("molae.fuzz.seed", "molae.fuzz.seconds", "molae.fuzz.case")) {
            if (System.getProperty(property) != null) {
                command.add("-D" + property + "=" + System.getProperty(property));
            }
        }
        command.addAll(
                List.of("-cp", System.getProperty("java.class.path"), Child.class.getName(), folder.toString(), "300"));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int status = process.waitFor();
        String file = "";
        if (status != 0) {
            Path kept = Files.createDirectories(Path.of("target", "fuzz")).resolve("died-tokenizer.json");
            Files.write(kept, Files.readAllBytes(folder.resolve("tokenizer.json")));
            file = "the process ended over " + kept.toAbsolutePath();
        }
        assertThat(status).as("%s%n%s", file, output).isZero();
        assertThat(output).contains("done: ");
        System.out.print(output.lines()
                .filter(line -> line.startsWith("fuzz "))
                .map(line -> line + "\n")
                .reduce("", String::concat));
    }
}
