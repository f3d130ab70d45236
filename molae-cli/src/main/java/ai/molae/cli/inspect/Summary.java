package ai.molae.cli.inspect;

import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointConfig;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.SharedExpertSpec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The model in words, from {@code config.json}. */
final class Summary {

    private static final List<String> COMPANIONS =
            List.of("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja");

    private Summary() {}

    static Table of(Checkpoint checkpoint) {
        CheckpointConfig config = checkpoint.config();
        ModelSpec spec = checkpoint.spec();
        List<MoeSpec> moe = spec.feedForwards().stream()
                .filter(MoeSpec.class::isInstance)
                .map(MoeSpec.class::cast)
                .toList();
        Table.Builder table = Table.properties("Model")
                .row("folder", Cell.text(checkpoint.folder().toString()))
                .row("model type", Cell.text(config.modelType()))
                .row("family", Cell.text(String.join(", ", config.family().modelTypes())))
                .row("element type", config.dtype().map(Cell::text).orElse(Cell.none()));
        config.quantization()
                .ifPresent(quantization -> table.row(
                        "quantization",
                        Cell.text("8-bit float, a scale for each " + quantization.rows() + " x "
                                + quantization.columns())));
        table.row("layers", Cell.id(spec.numLayers()))
                .row("MoE layers", Cell.id(moe.size()))
                .row("hidden size", Cell.id(spec.hiddenSize()))
                .row("attention", Cell.text(attention(spec.attention())));
        distinct(moe).forEach(layer -> describe(table, layer, layers(spec, layer)));
        spec.feedForwards().stream()
                .filter(DenseSpec.class::isInstance)
                .map(DenseSpec.class::cast)
                .distinct()
                .forEach(dense -> table.row("dense feed-forward", Cell.text("width " + dense.intermediateSize())));
        return table.row("vocabulary", Cell.id(spec.vocabSize()))
                .row("longest sequence", Cell.id(spec.maxPositionEmbeddings()))
                .row("head is the embedding", Cell.yesNo(spec.tieWordEmbeddings()))
                .row("end-of-text tokens", ids(config.eosTokenIds()))
                .row("beside the weights", companions(checkpoint.folder()))
                .build();
    }

    private static List<MoeSpec> distinct(List<MoeSpec> layers) {
        return layers.stream().distinct().toList();
    }

    /** Which layers are like this one, where not all MoE layers are alike. */
    private static String layers(ModelSpec spec, MoeSpec layer) {
        int[] which = IntStream.range(0, spec.numLayers())
                .filter(i -> spec.feedForwards().get(i).equals(layer))
                .toArray();
        boolean all = which.length
                == spec.feedForwards().stream()
                        .filter(MoeSpec.class::isInstance)
                        .count();
        if (all) {
            return "";
        }
        boolean run = which[which.length - 1] - which[0] == which.length - 1;
        return (which.length == 1 ? " of layer " : " of layers ")
                + (run && which.length > 1
                        ? which[0] + " to " + which[which.length - 1]
                        : IntStream.of(which).mapToObj(String::valueOf).collect(Collectors.joining(", ")));
    }

    private static void describe(Table.Builder table, MoeSpec layer, String which) {
        table.row(
                "experts" + which,
                Cell.text(layer.numExperts() + " of width " + layer.intermediateSize() + ", " + layer.topK()
                        + " for each token"));
        layer.latent().ifPresent(latent -> table.row("MoLAE" + which, Cell.text(latent(layer, latent))));
        layer.sharedExpert().ifPresent(shared -> table.row("shared expert" + which, Cell.text(shared(shared))));
        table.row("router" + which, Cell.text(router(layer.router())));
    }

    /** The expert that every token visits. */
    static String shared(SharedExpertSpec shared) {
        return "width " + shared.intermediateSize() + (shared.sigmoidGated() ? ", gated" : "");
    }

    /** How a layer is factored. */
    static String latent(MoeSpec layer, LatentSpec latent) {
        String sizes = latent.latentSizes().entrySet().stream()
                .map(entry -> entry.getKey().name().toLowerCase(Locale.ROOT) + " " + entry.getValue())
                .collect(Collectors.joining(", "));
        return "latent sizes " + sizes + (latent.tiedGateUp() ? ", gate and up tied" : "") + "; "
                + layer.expertGroups().numGroups() + " groups of "
                + sizes(layer.expertGroups().sizes());
    }

    /** How experts are chosen. */
    static String router(RouterSpec router) {
        List<String> parts = new ArrayList<>();
        parts.add(
                switch (router.scoreFunction()) {
                    case SOFTMAX -> "softmax, then the best";
                    case SOFTMAX_OVER_CHOSEN -> "the best, then softmax";
                    case SIGMOID -> "sigmoid, then the best";
                });
        addIf(parts, router.normTopkProb(), "weights add up to 1");
        addIf(parts, router.correctionBias(), "correction bias");
        addIf(parts, router.nGroup() > 1, router.topkGroup() + " of " + router.nGroup() + " groups");
        addIf(parts, router.routedScalingFactor() != 1, "times " + router.routedScalingFactor());
        addIf(parts, router.hasCapacity(), "capacity factor " + router.capacityFactor());
        return String.join("; ", parts);
    }

    private static void addIf(List<String> parts, boolean condition, String part) {
        if (condition) {
            parts.add(part);
        }
    }

    /** Heads and widths. */
    static String attention(AttentionSpec attention) {
        if (attention instanceof LatentAttentionSpec latent) {
            return "latent: " + latent.numAttentionHeads() + " heads, rank " + latent.kvLoraRank()
                    + " of keys and values" + (latent.qLoraRank() > 0 ? ", " + latent.qLoraRank() + " of queries" : "");
        }
        GroupedQueryAttentionSpec grouped = (GroupedQueryAttentionSpec) attention;
        String window = grouped.slidingWindow()
                .map(sliding -> ", window of " + sliding.size())
                .orElse("");
        return heads(grouped) + window;
    }

    /** Those of any layer. */
    static String heads(GroupedQueryAttentionSpec grouped) {
        return grouped.numAttentionHeads() + " heads of width " + grouped.headDim() + ", " + grouped.numKeyValueHeads()
                + " of keys and values";
    }

    private static Cell ids(List<Integer> ids) {
        return ids.isEmpty()
                ? Cell.none()
                : Cell.text(ids.stream().map(String::valueOf).collect(Collectors.joining(", ")));
    }

    private static Cell companions(Path folder) {
        List<String> there = COMPANIONS.stream()
                .filter(name -> Files.exists(folder.resolve(name)))
                .toList();
        return there.isEmpty() ? Cell.none() : Cell.text(String.join(", ", there));
    }

    /** "8", or "1 to 26" for groups that differ. */
    private static String sizes(int[] sizes) {
        int least = IntStream.of(sizes).min().orElse(0);
        int most = IntStream.of(sizes).max().orElse(0);
        return least == most ? "" + most : least + " to " + most;
    }
}
