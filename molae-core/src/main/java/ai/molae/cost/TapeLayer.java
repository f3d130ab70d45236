package ai.molae.cost;

import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;

/**
 * What a decoder layer holds in training with float32 parameters on a gradient tape: attention, dense networks, norms and routers by
 * autograd, experts by a backward pass of their own, which keeps distinct latents and the products of gate and up.
 */
final class TapeLayer {

    private final StepSettings settings;
    private final double tokens;
    private final double n;
    /** Bytes of an element that is multiplied. */
    private final int b;
    /** float32 products read what is there, others a cast of their own. */
    private final boolean casts;

    private double held;
    private double temporary;

    private TapeLayer(int hiddenSize, StepSettings settings) {
        this.settings = settings;
        tokens = (double) settings.batch() * settings.sequence();
        n = hiddenSize;
        b = settings.products().bytes();
        casts = settings.products() != ElementType.FLOAT32;
    }

    /** Bytes. {@code held}: between the passes, the layer's input among it. {@code temporary}: beyond that, in the backward pass. */
    record Bytes(double held, double temporary) {}

    static Bytes of(ModelSpec model, int index, StepSettings settings) {
        TapeLayer layer = new TapeLayer(model.hiddenSize(), settings);
        // h, and what lies between the two parts
        layer.hold(2 * 4 * layer.n);
        if (model.attention() instanceof GroupedQueryAttentionSpec grouped) {
            layer.grouped(grouped, grouped.window(index) < settings.sequence());
        } else {
            layer.latent((LatentAttentionSpec) model.attention());
        }
        double first = layer.temporary;
        layer.temporary = 0;
        if (model.feedForwards().get(index) instanceof MoeSpec moe) {
            layer.moe(moe);
        } else {
            layer.dense((DenseSpec) model.feedForwards().get(index));
        }
        return new Bytes(layer.held, Math.max(first, layer.temporary));
    }

    private void hold(double bytesPerToken) {
        held += bytesPerToken * tokens;
    }

    private void need(double bytesPerToken) {
        temporary += bytesPerToken * tokens;
    }

    /** What the norm keeps beside its input: it scaled, the scale, and its output unless products read casts only. */
    private void norm(double size) {
        hold(4 * size + 4 + (casts ? 0 : 4 * size));
    }

    /** A product that autograd records; what it reads is held already, except for its cast. */
    private void product(double in, double out) {
        if (casts) {
            hold(b * in);
        }
        productOfActivations(in, out);
    }

    /** The same of what has the format of products already. */
    private void productOfActivations(double in, double out) {
        if (casts) {
            held += b * in * out;
        } else if (settings.traits().contains(StepTrait.COPIED_PRODUCTS)) {
            hold(4 * (in + out));
        }
    }

    private void grouped(GroupedQueryAttentionSpec spec, boolean slides) {
        double query = (double) spec.numAttentionHeads() * spec.headDim();
        double keyValue = (double) spec.numKeyValueHeads() * spec.headDim();
        norm(n);
        product(n, query);
        product(n, keyValue);
        product(n, keyValue);
        if (spec.qkNorm() != QkNorm.NONE) {
            hold(2 * 4 * (query + keyValue));
        }
        // Keys and values are repeated for all query heads.
        attend(query, query, query, spec.numAttentionHeads(), slides);
        productOfActivations(query, n);
    }

    private void latent(LatentAttentionSpec spec) {
        double heads = spec.numAttentionHeads();
        double width = spec.qkNopeHeadDim() + (double) spec.qkRopeHeadDim();
        double query = heads * width;
        double value = heads * spec.vHeadDim();
        double rank = spec.kvLoraRank();
        double keys = heads * (spec.qkNopeHeadDim() + spec.vHeadDim());
        norm(n);
        if (spec.qLoraRank() > 0) {
            product(n, spec.qLoraRank());
            hold(4.0 * spec.qLoraRank());
            norm(spec.qLoraRank());
            product(spec.qLoraRank(), query);
        } else {
            product(n, query);
        }
        product(n, rank + spec.qkRopeHeadDim());
        hold(4 * (rank + spec.qkRopeHeadDim()));
        norm(rank);
        product(rank, keys);
        if (spec.vHeadDim() == width) {
            attend(query, query, casts ? value : keys, heads, false);
        } else {
            // libtorch's fused kernel wants equal widths; without it autograd keeps the scores, in float32.
            double scores = 4 * heads * settings.sequence();
            hold(scores + 4 * (2 * query + keys) + b * value + (casts ? b * (2 * query + value) : 0));
            need(scores + 4 * 2 * (query + value));
        }
        productOfActivations(value, n);
    }

    /** The fused kernel: queries, keys, values, its output and a number per head; and the same again as gradients. */
    private void attend(double query, double key, double value, double heads, boolean slides) {
        hold(b * (query + key + value + query) + 4 * heads);
        boolean padded = settings.traits().contains(StepTrait.PADDED);
        if (padded || slides) {
            // One for all heads.
            hold((double) b * settings.sequence() / (padded ? 1 : settings.batch()));
        }
        need((b + 4) * (query + key + value) + 3 * 4 * n);
    }

    private void dense(DenseSpec spec) {
        norm(n);
        feedForward(spec.intermediateSize(), spec.gated(), n);
        need(2 * 4 * n);
    }

    /** A network by autograd: products, the activation and what it is multiplied with. */
    private void feedForward(double m, boolean gated, double inputSize) {
        product(inputSize, gated ? 2 * m : m);
        hold(b * (gated ? 4 * m : 2 * m));
        productOfActivations(m, n);
        need(b * (gated ? 5 * m : 2 * m));
    }

    private void moe(MoeSpec spec) {
        // The norm, its output, which router and experts read as it is, and the layer's own output.
        hold(4 * n + 4 + 2 * 4 * n);
        // Logits, scores, the sorted order; sigmoid scores as shares of their sum too.
        boolean softmax = spec.router().scoreFunction() == ScoreFunction.SOFTMAX;
        hold(spec.numExperts() * (softmax ? 16.0 : 24.0) + spec.topK() * 32.0);
        // The gradients of x and y, their casts, and what is added up in float32.
        need(4 * 4 * n + (casts ? 2 * 2 * n : 0));
        experts(spec);
        spec.sharedExpert().ifPresent(shared -> shared(shared, spec.gated()));
    }

    private void experts(MoeSpec spec) {
        double m = spec.intermediateSize();
        double pairs = spec.latent().isEmpty() ? 1 : new LayerCost(spec).expectedDistinctGroups();
        double latentIn = spec.latentInSize();
        double latentOut = spec.isFactored(ExpertOperator.DOWN) ? spec.expertWidth(ExpertOperator.DOWN) : 0;
        double columns = spec.gated() ? 2 * m : m;
        hold(pairs * (latentIn * b + latentOut * 4) + spec.topK() * columns * b);
        need(pairs * (latentIn + latentOut) * (4 + b));
        if (spec.latent().isPresent() && spec.expertGroups().numGroups() > 1) {
            need(pairs * 2 * n * b);
        }
        // One expert's rows, of which there may be twice the average, and its gradient.
        double rowsOfOne = Math.min(tokens, 2 * tokens * spec.topK() / spec.numExperts());
        temporary += rowsOfOne * b * (3 * n + 7 * m) + 4 * m * n;
        if (settings.traits().contains(StepTrait.EXPERTS_BY_AUTOGRAD)) {
            recordedExperts(spec, pairs, columns);
        }
    }

    /** What autograd keeps of experts beyond that: gathered rows, intermediates, casts and copies. */
    private void recordedExperts(MoeSpec spec, double pairs, double columns) {
        double k = spec.topK();
        double m = spec.intermediateSize();
        double in = spec.expertWidth(ExpertOperator.UP);
        double out = spec.expertWidth(ExpertOperator.DOWN);
        hold(k * b * (in + 3 * m));
        if (casts) {
            hold(2 * n);
            held += (double) b * new LayerCost(spec).routedExpertParameters();
        } else if (settings.traits().contains(StepTrait.COPIED_PRODUCTS)) {
            hold(4 * (k * (in + columns + m + out) + pairs * (spec.latentInSize() > 0 ? n + spec.latentInSize() : 0)));
        }
        need(k * b * (in + 2 * columns));
    }

    private void shared(SharedExpertSpec spec, boolean gated) {
        hold(4 * n + (spec.sigmoidGated() ? 4 * n : 0));
        feedForward(spec.intermediateSize(), gated, n);
    }
}
