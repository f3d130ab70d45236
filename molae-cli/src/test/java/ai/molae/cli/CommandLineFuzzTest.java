package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.files.Folders;
import ai.molae.djl.json.SpecJson;
import ai.molae.testing.Fuzz;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/**
 * Every command with random options, valid, contradictory and absurd: it does its work, fails (1) or refuses (2) with a message that says why; it
 * never shows an error of its own making, and what is refused leaves nothing behind.
 */
class CommandLineFuzzTest {

    private static final List<String> COMMANDS = List.of(
            "plan", "inspect", "generate", "eval", "train", "resume", "tokenize", "spectrum", "convert", "quickstart");

    /** What is written: inside of the folder of the results, or where something is already. */
    private static final Set<String> OUTPUTS = Set.of("--out", "--html", "--calibration");

    /** Options that decide how long the work takes get small numbers only. */
    private static final Set<String> WORK = Set.of(
            "--max-new-tokens",
            "--steps",
            "--tokens",
            "--limit",
            "--batch",
            "--accumulate",
            "--sequence",
            "--threads",
            "--heal",
            "--heal-batch",
            "--distill",
            "--sweeps",
            "--refine",
            "--calibration-tokens",
            "--upcycle",
            "--evaluate-every",
            "--checkpoint-steps");

    /** Options that begin something long whatever their value. */
    private static final Set<String> LEFT_OUT = Set.of("--measure", "--preset", "--stacktrace");

    private static final List<String> SMALL = List.of("0", "1", "2", "3", "-1", "x", "", "2.5", "NaN");

    private static final List<String> WORDS = List.of(
            "0",
            "1",
            "2",
            "4",
            "16",
            "-1",
            "0.5",
            "1e-3",
            "1.5",
            "NaN",
            "Infinity",
            "-0.0",
            "1e400",
            "2147483647",
            "2147483648",
            "9223372036854775807",
            "",
            " ",
            "x",
            "none",
            "all",
            "bytes",
            "file",
            "json",
            "csv",
            "table",
            "bfloat16",
            "int8",
            "up",
            "up,down",
            "up=2,down=3",
            "a=b",
            "=",
            "**=2",
            "{}",
            "\u0000",
            "\u6f22\u5b57",
            "-",
            "--",
            "@x",
            "../../x",
            "/");

    /** Errors in the code, not in what it was given. */
    private static final List<String> ERRORS = List.of(
            "\tat ",
            "NullPointer",
            "ClassCast",
            "OutOfBounds",
            "NumberFormatException",
            "StackOverflow",
            "OutOfMemory",
            "ArithmeticException",
            "NegativeArraySize",
            "NoSuchElement",
            "UnsupportedOperation",
            "AssertionError",
            "EngineException",
            "InvalidPathException",
            "java.lang.");

    @TempDir
    private Path folder;

    private final InputStream input = System.in;
    private List<String> paths;

    @BeforeEach
    void write() throws IOException {
        System.setIn(new ByteArrayInputStream("hello\n".getBytes(StandardCharsets.UTF_8)));
        Path model = TinyCheckpoint.write(folder.resolve("model"), TinyCheckpoint.spec(256));
        Files.writeString(folder.resolve("text.txt"), "a b c d e f g h ".repeat(30));
        Files.writeString(folder.resolve("empty.txt"), "");
        Files.write(folder.resolve("binary.bin"), new byte[] {(byte) 0xff, 0, 1});
        Files.writeString(folder.resolve("lines.jsonl"), "{\"text\": \"abc\"}\n{\"text\": 1}\n");
        Files.writeString(folder.resolve("spec.json"), SpecJson.toJson(TinyCheckpoint.spec(256)));
        Files.writeString(folder.resolve("config.json"), "{\"steps\": 1, \"lr\": \"x\"}");
        paths = List.of(
                model.toString(),
                path("text.txt"),
                path("empty.txt"),
                path("binary.bin"),
                path("lines.jsonl"),
                path("spec.json"),
                path("config.json"),
                path("missing"),
                folder.toString());
    }

    @AfterEach
    void restore() {
        System.setIn(input);
    }

    private String path(String name) {
        return folder.resolve(name).toString();
    }

    /** What makes a command do its work, if nothing contradicts it. */
    private List<String> base(String command) {
        String out = path("results/out");
        return switch (command) {
            case "inspect" -> List.of(path("model"));
            case "generate" -> List.of(path("model"), "--prompt=ab", "--max-new-tokens=2", "--tokenizer=bytes");
            case "eval" -> List.of(path("model"), "--text=" + path("text.txt"), "--tokenizer=bytes", "--limit=40");
            case "train" -> List.of(
                    "--spec=" + path("spec.json"),
                    "--text=" + path("text.txt"),
                    "--sequence=16",
                    "--steps=1",
                    "--batch=1",
                    "--out=" + out);
            case "resume" -> List.of(path("model"), "--steps=1");
            case "tokenize" -> List.of("--text=" + path("text.txt"), "--tokenizer=bytes", "--out=" + out);
            case "spectrum" -> List.of(path("model"));
            case "convert" -> List.of(path("model"), out, "--groups=2", "--latent=4");
            case "quickstart" -> List.of("--text=" + path("missing"), "--steps=1", "--out=" + out);
            default -> List.of();
        };
    }

    private byte[] arguments(SplittableRandom random) {
        String command = pick(random, COMMANDS);
        CommandLine line = Main.commandLine().getSubcommands().get(command);
        List<OptionSpec> options = new ArrayList<>(line.getCommandSpec().options());
        options.removeIf(option -> LEFT_OUT.contains(option.longestName()));
        List<String> args = new ArrayList<>();
        for (int k = random.nextInt(5); k > 0; k--) {
            OptionSpec option = pick(random, options);
            String name = option.longestName();
            if (option.arity().max() == 0 && random.nextInt(8) > 0) {
                args.add(name);
            } else {
                args.add(name + "=" + value(random, option));
            }
        }
        // Mostly with what the command needs.
        for (String needed : base(command)) {
            String name = needed.startsWith("--") ? needed.substring(0, needed.indexOf('=') + 1) : needed;
            boolean given = args.stream().anyMatch(arg -> arg.startsWith(name));
            if (!given && (WORK.contains(name.replace("=", "")) || random.nextInt(10) > 0)) {
                args.add(needed);
            }
        }
        if (random.nextInt(10) == 0) {
            args.add(random.nextInt(args.size() + 1), pick(random, WORDS));
        }
        args.add(0, command);
        return String.join("\n", args).getBytes(StandardCharsets.UTF_8);
    }

    private String value(SplittableRandom random, OptionSpec option) {
        if (WORK.contains(option.longestName())) {
            return pick(random, SMALL);
        }
        Class<?> type = option.auxiliaryTypes()[0];
        if (type.isEnum() && random.nextInt(4) > 0) {
            return pick(random, Arrays.asList(type.getEnumConstants())).toString();
        }
        if (OUTPUTS.contains(option.longestName())) {
            return random.nextBoolean() ? path("results/out") : path("text.txt");
        }
        return random.nextInt(3) == 0
                ? pick(random, paths)
                : pick(random, WORDS).replace("\n", "");
    }

    private static <T> T pick(SplittableRandom random, List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    private void run(byte[] bytes) throws IOException {
        Path results = folder.resolve("results");
        Folders.delete(results);
        Files.createDirectories(results);
        Map<String, Long> before = sizes();
        String[] args = new String(bytes, StandardCharsets.UTF_8).split("\n", -1);
        CommandRun run = CommandRun.of(args);
        String shown = String.join(" ", args) + "\n" + run.out() + run.err();
        assertThat(run.exitCode()).as(shown).isIn(0, 1, 2);
        for (String error : ERRORS) {
            assertThat(run.err()).as(shown).doesNotContain(error);
        }
        if (run.exitCode() != 0) {
            assertThat(run.err()).as(shown).isNotBlank();
            try (Stream<Path> left = Files.list(results)) {
                assertThat(left).as(shown).isEmpty();
            }
            assertThat(sizes()).as(shown).isEqualTo(before);
        }
    }

    /** The files that were there; no command may change one. */
    private Map<String, Long> sizes() throws IOException {
        Map<String, Long> sizes = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                sizes.put(file.toString(), Files.size(file));
            }
        }
        return Collections.unmodifiableMap(sizes);
    }

    @Test
    void everyCommandWorksOrSaysWhatIsWrong() {
        Fuzz.of("command line", 40)
                .allocatingAtMost(2L << 30)
                .withoutShrinking()
                .run(this::arguments, this::run);
    }
}
