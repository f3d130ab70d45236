package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.LoadRecorder;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code molae inspect --html}. */
class InspectPageTest {

    private static final Path GOLDEN = Path.of("..", "molae-djl/src/test/resources/ai/molae/djl/hf");
    private static final ModelSpec SPEC = TinyCheckpoint.spec(260);
    private static final Pattern TAG = Pattern.compile("<(/?)([a-zA-Z0-9]+)((?:\"[^\"]*\"|[^\">])*)>");

    @TempDir
    private Path folder;

    private Path model() {
        return folder.resolve("model");
    }

    private Path page() {
        return folder.resolve("page.html");
    }

    private CommandRun inspect(Path model, String... options) {
        return CommandRun.of(Stream.concat(Stream.of("inspect", model.toString()), Stream.of(options))
                .toArray(String[]::new));
    }

    private String page(Path model, String... options) throws IOException {
        CommandRun run = inspect(
                model,
                Stream.concat(Stream.of("--html", page().toString()), Stream.of(options))
                        .toArray(String[]::new));
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("wrote " + page());
        String html = Files.readString(page());
        assertSelfContained(html);
        return html;
    }

    /** Every element is closed in its turn; nothing is loaded or run. */
    private static void assertSelfContained(String html) {
        assertThat(html)
                .startsWith("<!DOCTYPE html>")
                .endsWith("</html>\n")
                .doesNotContain("<script", "http:", "https:", "url(", "@import", "<link", "onclick", "NaN", "Infinity")
                .contains("name=viewport", "prefers-color-scheme: dark");
        String body = html.substring(html.indexOf('\n')).replaceAll("(?s)<style>.*</style>", "");
        Deque<String> open = new ArrayDeque<>();
        Matcher tag = TAG.matcher(body);
        while (tag.find()) {
            String attributes = tag.group(3);
            // A slash behind a value without quotes is a part of the value.
            assertThat(attributes).doesNotMatch(".*=[^\" ]+/");
            if (!tag.group(1).isEmpty()) {
                assertThat(open.poll()).as("closed at %d", tag.start()).isEqualTo(tag.group(2));
            } else if (!Set.of("meta", "img").contains(tag.group(2)) && !attributes.endsWith("/")) {
                open.push(tag.group(2));
            }
        }
        assertThat(open).isEmpty();
        Matcher source = Pattern.compile("(?:src|href)=\"([^\"]*)\"").matcher(html);
        while (source.find()) {
            assertThat(source.group(1)).matches("data:image/png;base64,.*|#[a-z]+");
        }
        int svgs = html.split("<svg ", -1).length;
        assertThat(html.split("<svg [^>]*role=\"img\"[^>]*><title>[^<]+</title><desc>[^<]+</desc>", -1))
                .hasSize(svgs);
    }

    /** The cells of the first row that begins like this. */
    private static List<String> row(String html, String... first) {
        String begin = Arrays.stream(first).map(cell -> "<td>" + cell + "</td>").reduce("<tr>", String::concat);
        int from = html.indexOf(begin);
        assertThat(from).as("no row %s", begin).isNotNegative();
        return Pattern.compile("<td[^>]*>([^<]*)</td>")
                .matcher(html.substring(from, html.indexOf("</tr>", from)))
                .results()
                .map(match -> match.group(1))
                .toList();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "mixtral-a",
                "qwen2_moe-a",
                "qwen3_moe-a",
                "olmoe-a",
                "deepseek_v2-a",
                "deepseek_v2-c",
                "deepseek_v3-a"
            })
    void everyFamilyHasAPage(String name) throws IOException {
        Path golden = GOLDEN.resolve(name);

        String html = page(golden);

        JsonObject json = JsonParser.parseString(
                        inspect(golden, "--format", "json").out())
                .getAsJsonObject();
        assertThat(html)
                .contains("<title>" + name + "</title>")
                .contains("id=architecture>", "id=parameters>", "id=memory>", "id=load>", "id=spectra>", "id=files>")
                .contains("<b>From tokens to logits</b>", "name a text with --text")
                .contains("molae inspect " + golden + " --html ");
        // A chart of curves for each MoE layer.
        int moe = json.getAsJsonObject("model").get("moe_layers").getAsInt();
        assertThat(html.split("<figure><figcaption><b>Layer \\d", -1)).hasSize(1 + moe);
        for (JsonElement part : json.getAsJsonArray("parameters")) {
            JsonObject row = part.getAsJsonObject();
            List<String> cells = row(
                    html.substring(html.indexOf("id=parameters>")),
                    row.get("part").getAsString());
            assertThat(Double.parseDouble(cells.get(1).replace(",", "")))
                    .isEqualTo(row.get("parameters").getAsDouble(), within(0.05));
        }
        for (JsonElement type : json.getAsJsonArray("files")) {
            assertThat(html)
                    .contains("<td>" + type.getAsJsonObject().get("file").getAsString() + "</td>");
        }
    }

    @Test
    void printsWhatItPrintsWithoutThePage() throws IOException {
        TinyCheckpoint.write(model(), SPEC);

        CommandRun with = inspect(model(), "--html", page().toString());

        assertThat(with.exitCode()).as(with.err()).isZero();
        assertThat(with.out()).isEqualTo(inspect(model()).out());
    }

    @Test
    void equalLayersAreFolded() throws IOException {
        TinyCheckpoint.write(model(), SPEC);

        String html = page(model());

        assertThat(html)
                .contains(">layer 0<", ">layers 1–2, each:<", ">dense feed-forward<", ">mixture of experts<")
                .contains("4 experts of width 8, 2 for each token", ">grouped-query attention<");
        // 4 experts of 3·16·8 numbers and a router of 4·16; two of the experts are active
        assertThat(row(html, "1–2")).endsWith("1,600", "832");
        assertThat(row(html, "0")).contains("dense, width 24", "1,152");
    }

    @Test
    void molaeIsDrawnByGroupsAndItsStacksEndAtTheLatentSize() throws IOException {
        LatentSpec latent =
                LatentSpec.builder().setLatentSize(6).setGroupSize(2).build();
        TinyCheckpoint.write(model(), SPEC.mapMoe(moe -> moe.withLatent(latent)));

        String html = page(model());

        assertThat(html)
                .contains(">MoLAE: experts in a latent space<", "latent sizes gate 6, up 6, down 6; 2 groups of 2")
                .contains("random matrices are those of the latent space");
        assertThat(row(html, "1", "gate").subList(0, 4)).containsExactly("1", "gate", "2 of 2 × 8 × 6", "6");
    }

    @Test
    void aDenseModelSaysThatItHasNoExperts() throws IOException {
        TinyCheckpoint.write(
                model(),
                ModelSpec.builder()
                        .setVocabSize(260)
                        .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                        .addLayers(2, DenseSpec.swiglu(16, 24))
                        .optMaxPositionEmbeddings(64)
                        .build());

        String html = page(model());

        assertThat(html)
                .contains("No layer has experts: every token uses every parameter.", "no stacks of their matrices")
                .doesNotContain("data:image/png", "<b>Layer ");
        CommandRun asked = inspect(model(), "--html", folder.resolve("b.html").toString(), "--spectra", "1");
        assertThat(asked.exitCode()).isEqualTo(2);
        assertThat(asked.err()).contains("--spectra names layer 1, but no layer has experts");
    }

    /** A text that is one window: the model reads what begins a text, and all tokens but the last, at once. */
    @Test
    void theLoadIsWhatTheRecorderCounts() throws IOException {
        TinyCheckpoint.write(model(), SPEC);
        String words = "some words for the experts, and a few more";
        Path text = Files.writeString(folder.resolve("text.txt"), words);

        String html = page(model(), "--text", text.toString(), "--tokenizer", "bytes");

        byte[] bytes = words.getBytes(StandardCharsets.UTF_8);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Checkpoint checkpoint = Checkpoint.open(model());
                LoadRecorder recorder = new LoadRecorder()) {
            CausalLm loaded = checkpoint.loadForInference(manager, Precision.FLOAT32);
            long[] read = new long[bytes.length];
            Arrays.setAll(read, i -> i == 0 ? new ByteTokenizer().endOfText() : bytes[i - 1]);
            NDArray tokens = manager.create(read, new Shape(1, read.length));
            loaded.forward(new ParameterStore(manager, false), new NDList(tokens), false);
            for (int layer = 1; layer <= 2; layer++) {
                MoeBlock block = (MoeBlock) loaded.layers().get(layer).feedForward();
                long[] counts = recorder.load(block).orElseThrow().tokensPerExpert();
                List<String> cells = new ArrayList<>(List.of("" + layer));
                Arrays.stream(counts).mapToObj(String::valueOf).forEach(cells::add);
                String table = html.substring(html.indexOf("Tokens per expert"));
                assertThat(row(table, "" + layer)).isEqualTo(cells);
                String routers = html.substring(html.indexOf("router entropy, nats"));
                double entropy = recorder.routerEntropy(block).orElseThrow();
                assertThat(row(routers, "" + layer).subList(1, 3))
                        .containsExactly(fixed(entropy), fixed(entropy / Math.log(4)));
            }
        }
        assertThat(html).contains("alt=\"load of the experts of all layers", "<b>Busiest expert</b>", "<b>Entropy</b>");
    }

    private static String fixed(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }

    @Test
    void theFiguresOfTheTextAreThoseOfEval() throws IOException {
        TinyCheckpoint.write(model(), SPEC);
        Path text = Files.writeString(folder.resolve("text.txt"), "some words for the experts ".repeat(9));
        String[] reading = {"--text", text.toString(), "--tokenizer", "bytes"};

        String html = page(model(), reading);

        List<String> eval = new ArrayList<>(List.of("eval", model().toString(), "--format", "json"));
        eval.addAll(List.of(reading));
        JsonObject json = JsonParser.parseString(
                        CommandRun.of(eval.toArray(String[]::new)).out())
                .getAsJsonObject();
        double loss = json.getAsJsonObject("prediction").get("loss").getAsDouble();
        assertThat(row(html, "loss")).containsExactly("loss", fixed(loss));
        for (JsonElement element : json.getAsJsonArray("load_of_the_experts")) {
            JsonObject layer = element.getAsJsonObject();
            String routers = html.substring(html.indexOf("router entropy, nats"));
            List<String> cells = row(routers, layer.get("layer").getAsString());
            assertThat(cells.get(3)).isEqualTo(fixed(layer.get("entropy").getAsDouble()));
            assertThat(cells.get(5)).isEqualTo(layer.get("unused").getAsInt() + " of 4");
        }
    }

    @Test
    void whatStandsInFilesIsNeverMarkup() throws IOException {
        TinyCheckpoint.write(model(), SPEC);
        Path config = model().resolve("config.json");
        String evil = "<script>alert('&')</script>";
        String json = Files.readString(config);
        assertThat(json).contains("\"float32\"");
        Files.writeString(config, json.replace("\"float32\"", "\"" + evil + "\""));

        assertThat(page(model())).contains("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;");
    }

    @Test
    void refusesWhatCannotBeWrittenOrComputedBeforeAnyWork() throws IOException {
        TinyCheckpoint.write(model(), SPEC);
        Path there = Files.writeString(folder.resolve("there.html"), "mine");
        for (List<String> wrong : List.of(
                List.of(there.toString(), "all", "there.html exists, and nothing is overwritten"),
                List.of(folder.resolve("no/a.html").toString(), "all", "no of --html", "does not exist"),
                List.of(there.resolve("a.html").toString(), "all", "is a file"),
                List.of(page().toString(), "some", "--spectra must be all, none, or layers such as 0,5-7, got some"),
                List.of(page().toString(), "2-1", "--spectra must be"),
                List.of(
                        page().toString(),
                        "0-2",
                        "--spectra names layer 0, but the layers that have experts are 1, 2"))) {
            CommandRun run = inspect(model(), "--html", wrong.get(0), "--spectra", wrong.get(1));

            assertThat(run.exitCode()).as(run.err()).isEqualTo(2);
            assertThat(run.err()).contains(wrong.subList(2, wrong.size()));
            assertThat(run.out()).isEmpty();
        }
        assertThat(there).hasContent("mine");
        assertThat(page()).doesNotExist();
        assertThat(inspect(model(), "--spectra", "all").err()).contains("--spectra is for the page; add --html FILE");
    }

    @Test
    void spectraAreThoseAskedFor() throws IOException {
        TinyCheckpoint.write(model(), SPEC);

        String one = page(model(), "--spectra", "2");
        Files.delete(page());
        String none = page(model(), "--spectra", "none");

        assertThat(one).contains("<b>Layer 2</b>", "Of 1 of 2 MoE layers").doesNotContain("<b>Layer 1</b>");
        assertThat(none).contains("Not computed, as --spectra none says.").doesNotContain("<b>Layer ");
    }

    /** What Ctrl-C does, with SIGTERM, which a test can send. */
    @Test
    void leavesNothingWhenInterrupted() throws IOException, InterruptedException {
        TinyCheckpoint.write(model(), SPEC);
        Path text = Files.writeString(folder.resolve("text.txt"), "some words for the experts ".repeat(8_000));

        InterruptedRun run = InterruptedRun.of(
                "scoring 10 %",
                "inspect",
                model().toString(),
                "--html",
                page().toString(),
                "--text",
                text.toString(),
                "--tokenizer",
                "bytes",
                "--batch",
                "16");

        assertThat(run.exitCode()).as(run.output()).isEqualTo(143);
        assertThat(run.output()).contains("molae: interrupted");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactlyInAnyOrder("model", "text.txt");
        }
    }
}
