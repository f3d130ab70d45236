package ai.molae.djl.train;

import ai.djl.nn.Parameter;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.lm.LoraSpec;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Freezing;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Optional;
import java.util.Set;

/**
 * What of a model is trained. Applied before the {@link LmTrainer} is made:
 *
 * <pre>{@code
 * FineTuning.lora(LoraSpec.builder().setRank(8).setTargets(LoraTarget.ATTENTION, LoraTarget.EXPERTS).build()).applyTo(model);
 * try (LmTrainer trainer = LmTrainer.builder().setModel(model).setData(train).setConfig(config).build()) {
 *     trainer.train();
 * }
 * model.mergeLora();
 * }</pre>
 *
 * <p>What is not trained is frozen: it has no gradient, none is computed for it, and the optimizer holds no state of it. The router's
 * correction bias is never trained. Immutable.
 *
 * @param mode what is trained
 * @param lora the adapters of {@link Mode#LORA}, empty for the others
 */
public record FineTuning(Mode mode, Optional<LoraSpec> lora) {

    private static final Set<String> EXPERTS = Set.of("latent_in", "gate_up", "gate", "up", "down", "latent_out");

    private static final Set<String> ROUTER = Set.of("router");

    /** What is trained. */
    public enum Mode {
        /** Every parameter. */
        FULL,
        /** The stacks of the routed experts, with {@code latent_in} and {@code latent_out} of their groups. */
        EXPERTS_ONLY,
        /** The matrices of the routers. */
        ROUTER_ONLY,
        /** Low-rank adapters, see {@link CausalLm#addLora}. */
        LORA
    }

    /**
     * Validates.
     *
     * @param mode what is trained
     * @param lora the adapters
     * @throws IllegalArgumentException if there are adapters without LORA, or LORA without them
     */
    public FineTuning {
        if (lora.isPresent() != (mode == Mode.LORA)) {
            throw new IllegalArgumentException(
                    mode == Mode.LORA ? "LORA needs a LoraSpec" : mode + " has no adapters, got " + lora.get());
        }
    }

    /**
     * Trains every parameter.
     *
     * @return the mode
     */
    public static FineTuning full() {
        return new FineTuning(Mode.FULL, Optional.empty());
    }

    /**
     * Trains the routed experts; not the router, not the shared experts.
     *
     * @return the mode
     */
    public static FineTuning expertsOnly() {
        return new FineTuning(Mode.EXPERTS_ONLY, Optional.empty());
    }

    /**
     * Trains the routers.
     *
     * @return the mode
     */
    public static FineTuning routerOnly() {
        return new FineTuning(Mode.ROUTER_ONLY, Optional.empty());
    }

    /**
     * Trains low-rank adapters.
     *
     * @param spec which, and their rank
     * @return the mode
     */
    public static FineTuning lora(LoraSpec spec) {
        return new FineTuning(Mode.LORA, Optional.of(spec));
    }

    /**
     * Freezes and unfreezes a model's parameters accordingly; the mode applied before counts no longer. Gradients of what is now frozen are
     * freed. A DJL {@code Trainer} unfreezes a loaded model, so apply this after {@code newTrainer}; optimizers of molae are made afterwards.
     *
     * @param model an initialised or loaded model
     * @throws IllegalStateException if the model is prepared for inference, has no values or has un-merged adapters
     * @throws IllegalArgumentException if there is nothing to train: no MoE layer, or no weight that a target of LoRA names
     */
    public void applyTo(CausalLm model) {
        if (model.preparedPrecision().isPresent() || !model.isInitialized()) {
            throw new IllegalStateException(
                    model.isInitialized()
                            ? "a model prepared for inference cannot be trained; load the parameters into a new one"
                            : "the model has no values; initialise or load it before fine-tuning");
        }
        if (model.numAdapters() > 0) {
            throw new IllegalStateException("the model has " + model.numAdapters()
                    + " un-merged adapters; mergeLora() keeps and removeLora() forgets what they learned");
        }
        switch (mode) {
            case FULL -> Freezing.train(model, parameter -> true);
            case EXPERTS_ONLY -> train(model, EXPERTS);
            case ROUTER_ONLY -> train(model, ROUTER);
            case LORA -> model.addLora(lora.orElseThrow());
        }
    }

    /** Trains parameters of the MoE layers by their names. */
    private void train(CausalLm model, Set<String> names) {
        Set<Parameter> trained = Collections.newSetFromMap(new IdentityHashMap<>());
        for (DecoderLayer layer : model.layers()) {
            if (layer.feedForward() instanceof MoeBlock moe) {
                moe.getDirectParameters().values().stream()
                        .filter(parameter -> names.contains(parameter.getName()))
                        .forEach(trained::add);
            }
        }
        if (trained.isEmpty()) {
            throw new IllegalArgumentException(mode + " has nothing to train: none of the "
                    + model.layers().size() + " layers is a MoE layer");
        }
        Freezing.train(model, trained::contains);
    }
}
