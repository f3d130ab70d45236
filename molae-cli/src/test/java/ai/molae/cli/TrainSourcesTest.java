package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.json.SpecJson;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code molae train} can begin with: models that are there or not, upcycled and factored ones; texts, JSON lines and tokens. */
class TrainSourcesTest {

    @TempDir
    private Path folder;

    private Path text;

    @BeforeEach
    void write() throws IOException {
        text = Files.writeString(folder.resolve("text.txt"), "a b c d e f g h ".repeat(60));
    }

    private Path out() {
        return folder.resolve("out");
    }

    private CommandRun train(String options) {
        return CommandRun.ofLine("train --out " + out() + " --steps 2 --batch 2 --sequence 16 --quiet --no-tensorboard "
                + options.strip().replaceAll(" +", " "));
    }

    private CommandRun trained(String options) {
        CommandRun run = train(options);
        assertThat(run.exitCode()).as(run.err()).isZero();
        return run;
    }

    private String text() {
        return " --text " + text + " --validation-share 0";
    }

    private ModelSpec saved() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(out().resolve("model"))) {
            return checkpoint.spec();
        }
    }

    private static MoeSpec moe(ModelSpec spec) {
        return spec.feedForwards().stream()
                .filter(MoeSpec.class::isInstance)
                .map(MoeSpec.class::cast)
                .findFirst()
                .orElseThrow();
    }

    private List<Double> losses() throws IOException {
        List<Double> losses = new ArrayList<>();
        for (String line : Files.readAllLines(out().resolve("metrics.jsonl"))) {
            JsonObject step = JsonParser.parseString(line).getAsJsonObject();
            if (step.has("loss")) {
                losses.add(step.get("loss").getAsDouble());
            }
        }
        return losses;
    }

    /** Two dense layers of width 24. */
    private Path dense() throws IOException {
        return TinyCheckpoint.write(
                folder.resolve("dense"),
                ModelSpec.builder()
                        .setVocabSize(256)
                        .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                        .addLayers(2, DenseSpec.swiglu(16, 24))
                        .optMaxPositionEmbeddings(64)
                        .optInitializerRange(0.1)
                        .build());
    }

    @Test
    void aPresetWithFactoredExperts() throws IOException {
        CommandRun run = trained("--preset tiny --latent 8 --aux-loss 0.02" + text());

        assertThat(run.out()).doesNotContain("Validation").contains("0 more to validate on");
        assertThat(moe(saved()).latent()).isPresent();
        assertThat(moe(saved()).router().auxLossCoef()).isEqualTo(0.02);
    }

    @Test
    void aSpecOnTheCommandLineWithOtherRouting() throws IOException {
        String json = SpecJson.toJson(TinyCheckpoint.spec(256)).replaceAll("\\s", "");
        trained("--spec " + json + " --aux-loss 0.5 --aux-scope global --z-loss 0.25 --capacity 1.5" + text());

        assertThat(moe(saved()).router().auxLossCoef()).isEqualTo(0.5);
        assertThat(moe(saved()).router().auxLossScope()).isEqualTo(AuxLossScope.GLOBAL);
        assertThat(moe(saved()).router().zLossCoef()).isEqualTo(0.25);
        assertThat(moe(saved()).router().capacityFactor()).isEqualTo(1.5);
    }

    /** The first loss is the one of the values in the checkpoint, whatever the router's losses. */
    @Test
    void aCheckpointWithOtherRouting() throws IOException {
        Path from = TinyCheckpoint.write(folder.resolve("from"), TinyCheckpoint.spec(256));
        trained("--tokenizer bytes --from " + from + text());
        double plain = losses().get(0);
        Files.move(out(), folder.resolve("plain"));

        trained("--tokenizer bytes --z-loss 0.25 --aux-loss 0.5 --from " + from + text());

        assertThat(losses().get(0)).isEqualTo(plain);
        assertThat(moe(saved()).router().zLossCoef()).isEqualTo(0.25);
    }

    /** Copies of a dense network compute what it does, so the first loss is the dense model's. */
    @ParameterizedTest
    @ValueSource(strings = {"--upcycle 4", "--upcycle 8 --expert-size 12 --top-k 4"})
    void aDenseCheckpointUpcycled(String options) throws IOException {
        Path from = dense();
        trained("--tokenizer bytes --from " + from + text());
        double plain = losses().get(0);
        Files.move(out(), folder.resolve("plain"));

        trained("--tokenizer bytes --from " + from + " " + options + text());

        assertThat(losses().get(0)).isBetween(plain - 1e-3, plain + 1e-3);
        assertThat(saved().feedForwards()).hasSize(2).allMatch(MoeSpec.class::isInstance);
        assertThat(moe(saved()).router().auxLossCoef()).isEqualTo(0.01);
        assertThat(moe(saved()).numExperts()).isEqualTo(options.contains("8") ? 8 : 4);
    }

    @Test
    void aStandardCheckpointWhoseExpertsAreFactored() throws IOException {
        Path from = TinyCheckpoint.write(folder.resolve("from"), TinyCheckpoint.spec(256));

        trained("--tokenizer bytes --latent 4 --group-size 2 --from " + from + text());

        assertThat(moe(saved()).latent().orElseThrow().groupSize()).isEqualTo(2);
    }

    @Test
    void upcyclingWhatHasNoDenseLayerIsRefused() {
        CommandRun run = train("--preset tiny --upcycle 4" + text());

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("--upcycle needs dense layers");
        assertThat(out()).doesNotExist();
    }

    @Test
    void routingOfAModelWithoutExpertsIsRefused() throws IOException {
        CommandRun run = train("--tokenizer bytes --aux-loss 0.1 --from " + dense() + text());

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("are about MoE layers");
    }

    /** Of a prompt and its completion only the latter is trained on, and whole documents are not cut. */
    @Test
    void jsonLinesInWholeDocuments() throws IOException {
        Path lines = Files.writeString(
                folder.resolve("lines.jsonl"), "{\"prompt\": \"say a\", \"completion\": \"aaaa\"}\n".repeat(20));
        Path held =
                Files.writeString(folder.resolve("held.jsonl"), "{\"prompt\": \"say b\", \"completion\": \"bb\"}\n");

        CommandRun run = trained(
                "--preset tiny --packing whole --jsonl " + lines + " --validation " + held + " --optimizer sgd");

        assertThat(run.out()).contains("on 200 tokens; 8 more to validate on").contains("Validation");
    }

    @Test
    void tokensThatWereWrittenBefore() throws IOException {
        Path tokens = folder.resolve("tokens");
        Path more = Files.writeString(
                folder.resolve("more.jsonl"), "{\"text\": \"i j k l m n o p q r s t u v w x y z\"}\n".repeat(4));
        CommandRun tokenized = CommandRun.ofLine("tokenize --tokenizer bytes --jsonl " + more
                + " --validation-share 0.4 --seed 3 --quiet --out " + tokens);
        assertThat(tokenized.exitCode()).as(tokenized.err()).isZero();

        CommandRun run = trained("--preset tiny --shards " + tokens);
        assertThat(run.out()).contains("Validation");

        CommandRun share = CommandRun.ofLine("train --preset tiny --out " + folder.resolve("other") + " --shards "
                + tokens + " --validation-share 0.1");
        assertThat(share.exitCode()).isEqualTo(2);
        assertThat(share.err()).contains("has a validation part of its own");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--optimizer muon --momentum 0.9",
                "--second-moment eight_bit",
                "--second-moment factored",
                "--recompute 1"
            })
    void optimizersAndRecomputationTrain(String options) throws IOException {
        Path spec = Files.writeString(folder.resolve("spec.json"), SpecJson.toJson(TinyCheckpoint.spec(256)));

        trained("--spec " + spec + " --lr 0.02 --warmup 0 " + options + text());

        assertThat(losses()).hasSize(2);
        assertThat(losses().get(1)).isLessThan(losses().get(0));
    }

    @Test
    void endsAfterTokensOrStepsWhicheverComesFirst() throws IOException {
        Path spec = Files.writeString(folder.resolve("spec.json"), SpecJson.toJson(TinyCheckpoint.spec(256)));
        String options = "train --spec " + spec + " --batch 2 --sequence 16 --quiet" + text() + " --out ";

        CommandRun tokens =
                CommandRun.ofLine(options + folder.resolve("a") + " --tokens 100 --steps 50 --schedule wsd");
        assertThat(tokens.out()).as(tokens.err()).contains("Trained 4 steps, 128 tokens");
        CommandRun steps =
                CommandRun.ofLine(options + folder.resolve("b") + " --tokens 1000 --steps 2 --schedule linear");
        assertThat(steps.out()).as(steps.err()).contains("Trained 2 steps, 64 tokens");
        CommandRun only = CommandRun.ofLine(options + folder.resolve("c") + " --tokens 64 --schedule constant");
        assertThat(only.out()).as(only.err()).contains("Trained 2 steps, 64 tokens");
    }

    @Test
    void refusesToTrainOnNothing() {
        CommandRun run = train("--preset tiny");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("there is nothing to train on; give --text, --jsonl or --shards");
    }
}
