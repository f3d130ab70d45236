package ai.molae.djl.hf;

import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/** The tensors of a whole model, which all families name alike except for the experts. */
final class ModelTensors {

    private final List<TensorBinding> list = new ArrayList<>();
    private final ModelSpec model;
    private final long hiddenSize;

    private ModelTensors(ModelSpec model) {
        this.model = model;
        hiddenSize = model.hiddenSize();
    }

    static List<TensorBinding> of(ModelSpec model, ExpertNames experts, Set<String> present) {
        ModelTensors tensors = new ModelTensors(model);
        try {
            tensors.addAll(experts, present);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("the model has a parameter of more than 2^63 elements: " + model, e);
        }
        return List.copyOf(tensors.list);
    }

    private void addAll(ExpertNames experts, Set<String> present) {
        add("embed_tokens", "model.embed_tokens.weight", model.vocabSize(), hiddenSize);
        for (int i = 0; i < model.numLayers(); i++) {
            String path = "layers." + i + ".";
            String tensor = "model." + path;
            vector(path + "input_layernorm", tensor + "input_layernorm", hiddenSize);
            attention(path + "self_attn.", tensor + "self_attn.", model.attention());
            vector(path + "post_attention_layernorm", tensor + "post_attention_layernorm", hiddenSize);
            FeedForwardSpec feedForward = model.feedForwards().get(i);
            if (feedForward instanceof MoeSpec moe) {
                list.addAll(experts.bindings(moe, path + "mlp.", tensor, present));
            } else if (feedForward instanceof DenseSpec dense) {
                dense(path + "mlp.", tensor + "mlp.", dense);
            }
        }
        vector("norm", "model.norm", hiddenSize);
        if (!model.tieWordEmbeddings()) {
            add("lm_head", "lm_head.weight", model.vocabSize(), hiddenSize);
        }
    }

    private void attention(String path, String tensor, AttentionSpec attention) {
        if (attention instanceof GroupedQueryAttentionSpec grouped) {
            grouped(path, tensor, grouped);
        } else if (attention instanceof LatentAttentionSpec latent) {
            latent(path, tensor, latent);
        }
    }

    private void grouped(String path, String tensor, GroupedQueryAttentionSpec spec) {
        long query = (long) spec.numAttentionHeads() * spec.headDim();
        long keyValue = (long) spec.numKeyValueHeads() * spec.headDim();
        linear(path + "q_proj", tensor + "q_proj", query, hiddenSize, spec.qkvBias());
        linear(path + "k_proj", tensor + "k_proj", keyValue, hiddenSize, spec.qkvBias());
        linear(path + "v_proj", tensor + "v_proj", keyValue, hiddenSize, spec.qkvBias());
        linear(path + "o_proj", tensor + "o_proj", hiddenSize, query, spec.outputBias());
        if (spec.qkNorm() != QkNorm.NONE) {
            boolean full = spec.qkNorm() == QkNorm.FULL;
            vector(path + "q_norm", tensor + "q_norm", full ? query : spec.headDim());
            vector(path + "k_norm", tensor + "k_norm", full ? keyValue : spec.headDim());
        }
    }

    private void latent(String path, String tensor, LatentAttentionSpec spec) {
        long heads = spec.numAttentionHeads();
        long query = heads * (spec.qkNopeHeadDim() + (long) spec.qkRopeHeadDim());
        long value = heads * spec.vHeadDim();
        long rank = spec.kvLoraRank();
        if (spec.qLoraRank() == 0) {
            linear(path + "q_proj", tensor + "q_proj", query, hiddenSize, false);
        } else {
            linear(path + "q_a_proj", tensor + "q_a_proj", spec.qLoraRank(), hiddenSize, spec.bias());
            vector(path + "q_a_layernorm", tensor + "q_a_layernorm", spec.qLoraRank());
            linear(path + "q_b_proj", tensor + "q_b_proj", query, spec.qLoraRank(), false);
        }
        String keyValue = "kv_a_proj_with_mqa";
        linear(path + keyValue, tensor + keyValue, rank + spec.qkRopeHeadDim(), hiddenSize, spec.bias());
        vector(path + "kv_a_layernorm", tensor + "kv_a_layernorm", rank);
        linear(path + "kv_b_proj", tensor + "kv_b_proj", heads * spec.qkNopeHeadDim() + value, rank, false);
        linear(path + "o_proj", tensor + "o_proj", hiddenSize, value, spec.bias());
    }

    private void dense(String path, String tensor, DenseSpec spec) {
        long width = spec.intermediateSize();
        if (spec.gated()) {
            List<Long> half = List.of(width, hiddenSize);
            list.add(new TensorBinding(
                    path + "gate_up",
                    List.of(
                            new Piece(tensor + "gate_proj.weight", half, 0),
                            new Piece(tensor + "up_proj.weight", half, width * hiddenSize))));
        } else {
            add(path + "up", tensor + "up_proj.weight", width, hiddenSize);
        }
        add(path + "down", tensor + "down_proj.weight", hiddenSize, width);
    }

    private void linear(String path, String tensor, long out, long in, boolean bias) {
        add(path, tensor + ".weight", out, in);
        if (bias) {
            add(path + "_bias", tensor + ".bias", out);
        }
    }

    private void vector(String path, String tensor, long size) {
        add(path, tensor + ".weight", size);
    }

    private void add(String path, String tensor, long... shape) {
        List<Long> boxed = Arrays.stream(shape).boxed().toList();
        list.add(new TensorBinding(path, ExpertNames.whole(tensor, boxed)));
    }
}
