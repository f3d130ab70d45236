package ai.molae.cli.inspect;

import ai.molae.cost.CostModel;
import ai.molae.djl.chart.BlockDiagram;
import ai.molae.djl.chart.BlockDiagram.Block;
import ai.molae.djl.chart.HtmlTable;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The stack of a model's layers, of which equal ones in a row are told together. */
final class Architecture {

    private static final int EMBEDDING = 7;
    private static final int ATTENTION = 4;
    private static final int DENSE = 5;
    private static final int EXPERTS = 0;
    private static final int LATENT_EXPERTS = 1;

    /** Of positions that a layer sees. */
    private static final int ALL = Integer.MAX_VALUE;

    private static final String NONE = "–";

    /** Equal layers in a row; the window is the number of positions they see. */
    record Run(int first, int last, FeedForwardSpec feedForward, int window) {

        boolean isLike(Run other) {
            return feedForward.equals(other.feedForward) && window == other.window;
        }

        int layers() {
            return last - first + 1;
        }

        String name() {
            return first == last ? "" + first : first + "–" + last;
        }
    }

    private final ModelSpec spec;

    Architecture(ModelSpec spec) {
        this.spec = spec;
    }

    List<Run> runs() {
        List<Run> runs = new ArrayList<>();
        for (int i = 0; i < spec.numLayers(); i++) {
            Run layer = new Run(i, i, spec.feedForwards().get(i), window(i));
            int before = runs.size() - 1;
            if (before >= 0 && runs.get(before).isLike(layer)) {
                runs.set(before, new Run(runs.get(before).first(), i, layer.feedForward(), layer.window()));
            } else {
                runs.add(layer);
            }
        }
        return runs;
    }

    private int window(int layer) {
        return spec.attention() instanceof GroupedQueryAttentionSpec grouped ? grouped.window(layer) : ALL;
    }

    /** A drawing. */
    String figure() {
        BlockDiagram diagram = new BlockDiagram("From tokens to logits");
        diagram.add(new Block(
                "embedding", List.of(size(spec.vocabSize(), "tokens") + " of width " + spec.hiddenSize()), EMBEDDING));
        for (Run run : runs()) {
            diagram.add(
                    run.layers() == 1 ? "layer " + run.name() : "layers " + run.name() + ", each:",
                    List.of(attention(run.window()), feedForward(run.feedForward())));
        }
        return diagram.add(new Block(
                        "norm and head",
                        List.of(size(spec.vocabSize(), "logits")
                                + (spec.tieWordEmbeddings() ? ", the head is the embedding" : "")),
                        EMBEDDING))
                .figure();
    }

    private static String size(int number, String what) {
        return String.format(Locale.ROOT, "%,d %s", number, what);
    }

    private Block attention(int window) {
        return spec.attention() instanceof GroupedQueryAttentionSpec grouped
                ? new Block(
                        "grouped-query attention",
                        List.of(Summary.heads(grouped) + (window == ALL ? "" : ", sees the last " + window)),
                        ATTENTION)
                : new Block("latent attention", List.of(Summary.attention(spec.attention())), ATTENTION);
    }

    private static Block feedForward(FeedForwardSpec feedForward) {
        if (!(feedForward instanceof MoeSpec moe)) {
            DenseSpec dense = (DenseSpec) feedForward;
            return new Block(
                    "dense feed-forward",
                    List.of("width " + dense.intermediateSize() + (dense.gated() ? ", gated" : "")),
                    DENSE);
        }
        List<String> lines = new ArrayList<>();
        lines.add(experts(moe) + (moe.gated() ? ", gated" : ""));
        lines.add("router: " + Summary.router(moe.router()));
        moe.latent().ifPresent(latent -> lines.add(Summary.latent(moe, latent)));
        moe.sharedExpert().ifPresent(shared -> lines.add("and a shared expert of " + Summary.shared(shared)));
        boolean latent = moe.latent().isPresent();
        return new Block(
                latent ? "MoLAE: experts in a latent space" : "mixture of experts",
                lines,
                latent ? LATENT_EXPERTS : EXPERTS,
                latent ? Arrays.stream(moe.expertGroups().sizes()).boxed().toList() : List.of(moe.numExperts()),
                latent);
    }

    private static String experts(MoeSpec moe) {
        return moe.numExperts() + " experts of width " + moe.intermediateSize() + ", " + moe.topK() + " for each token";
    }

    /** The same in words. */
    String table() {
        HtmlTable table = new HtmlTable(
                5,
                List.of(
                        "layers",
                        "feed-forward",
                        "experts",
                        "MoLAE",
                        "shared expert",
                        "feed-forward parameters each",
                        "active each"));
        for (Run run : runs()) {
            table.row(row(run));
        }
        return table.html();
    }

    private static List<String> row(Run run) {
        if (!(run.feedForward() instanceof MoeSpec moe)) {
            DenseSpec dense = (DenseSpec) run.feedForward();
            String count = count((dense.gated() ? 3.0 : 2.0) * dense.hiddenSize() * dense.intermediateSize());
            return List.of(run.name(), "dense, width " + dense.intermediateSize(), NONE, NONE, NONE, count, count);
        }
        return List.of(
                run.name(),
                moe.latent().isPresent() ? "MoLAE" : "MoE",
                experts(moe),
                moe.latent().map(latent -> Summary.latent(moe, latent)).orElse(NONE),
                moe.sharedExpert().map(Summary::shared).orElse(NONE),
                count((double) CostModel.layer(moe).parameters()),
                count(CostModel.layer(moe).activeParameters()));
    }

    private static String count(double number) {
        return String.format(Locale.ROOT, "%,.0f", number);
    }
}
