package ai.molae.djl.hf;

import java.util.Set;
import java.util.TreeSet;

/**
 * Keys of published {@code config.json} files that do not change what a model computes: bookkeeping, defaults of generation (which belong in
 * {@code generation_config.json}), settings of runtimes.
 */
final class KnownKeys {

    /** Whatever their value. */
    static final Set<String> HARMLESS = Set.of(
            // what the file is
            "architectures",
            "auto_map",
            "model_type",
            "transformers_version",
            "_name_or_path",
            "name_or_path",
            "_commit_hash",
            "_attn_implementation_autoset",
            "_attn_implementation",
            "_attn_implementation_internal",
            "attn_implementation",
            "_experts_implementation",
            "_experts_implementation_internal",
            "experts_implementation",
            "_flash_attn_2_enabled",
            "unsloth_fixed",
            "unsloth_version",
            "tokenizer_class",
            // tokens
            "bos_token_id",
            "eos_token_id",
            "pad_token_id",
            "sep_token_id",
            "unk_token_id",
            "decoder_start_token_id",
            // how it was or is to be run
            "ep_size",
            "pretraining_tp",
            "use_cache",
            "output_attentions",
            "output_hidden_states",
            "output_router_logits",
            "return_dict",
            "torchscript",
            "tf_legacy_loss",
            "use_bfloat16",
            "chunk_size_feed_forward",
            "tie_encoder_decoder",
            "is_decoder",
            "gradient_checkpointing",
            // heads for other tasks
            "id2label",
            "label2id",
            "num_labels",
            "problem_type",
            "finetuning_task",
            "task_specific_params",
            "classifier_dropout",
            "prefix",
            // defaults of generation
            "max_length",
            "min_length",
            "max_new_tokens",
            "do_sample",
            "early_stopping",
            "num_beams",
            "num_beam_groups",
            "diversity_penalty",
            "temperature",
            "top_k",
            "top_p",
            "typical_p",
            "epsilon_cutoff",
            "eta_cutoff",
            "repetition_penalty",
            "length_penalty",
            "no_repeat_ngram_size",
            "encoder_no_repeat_ngram_size",
            "bad_words_ids",
            "num_return_sequences",
            "output_scores",
            "return_dict_in_generate",
            "forced_bos_token_id",
            "forced_eos_token_id",
            "remove_invalid_values",
            "exponential_decay_length_penalty",
            "suppress_tokens",
            "begin_suppress_tokens",
            // read elsewhere
            "dtype",
            "torch_dtype",
            "quantization_config",
            "num_nextn_predict_layers",
            "molae");

    private KnownKeys() {}

    /** The harmless keys and some more. */
    static Set<String> harmlessAnd(String... more) {
        Set<String> keys = new TreeSet<>(HARMLESS);
        keys.addAll(Set.of(more));
        return keys;
    }
}
