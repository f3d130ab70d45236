package ai.molae.cli.train;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.options.LatentOptions;
import ai.molae.djl.convert.LatentWarmStart;
import ai.molae.djl.convert.Upcycling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.util.Optional;

/** Where the model to train comes from: a checkpoint or a spec, as it is, upcycled or factored. */
final class ModelSource implements AutoCloseable {

    private final ModelOptions options;
    private final LatentOptions latent;
    private final Optional<Checkpoint> original;
    /** Before it is upcycled or factored. */
    private final ModelSpec base;

    private final ModelSpec spec;

    private ModelSource(ModelOptions options, LatentOptions latent, Optional<Checkpoint> original) {
        this.options = options;
        this.latent = latent;
        this.original = original;
        base = options.withRouter(original.map(Checkpoint::spec).orElseGet(options::fresh));
        spec = converted();
    }

    static ModelSource open(ModelOptions options, LatentOptions latent) throws IOException {
        options.check();
        if (options.upcycle != null && latent.isGiven()) {
            throw new IllegalArgumentException(
                    "--upcycle makes standard experts, which cannot be factored in the same run;"
                            + " leave the flags of factored experts away, and factor the result in another run");
        }
        if (options.from == null) {
            return new ModelSource(options, latent, Optional.empty());
        }
        Checkpoint checkpoint = Checkpoints.open(options.from);
        try {
            return new ModelSource(options, latent, Optional.of(checkpoint));
        } catch (RuntimeException e) {
            checkpoint.close();
            throw e;
        }
    }

    private ModelSpec converted() {
        if (options.upcycle != null) {
            if (base.feedForwards().stream().noneMatch(DenseSpec.class::isInstance)) {
                throw new IllegalArgumentException("--upcycle needs dense layers, the model has MoE layers only");
            }
            return base.mapLayers((i, layer) -> layer instanceof DenseSpec dense ? options.upcycled(dense) : layer);
        }
        if (!latent.isGiven()) {
            return base;
        }
        if (base.feedForwards().stream().noneMatch(MoeSpec.class::isInstance)) {
            throw new IllegalArgumentException("there is no MoE layer to factor; --upcycle makes some in a run before");
        }
        return base.mapMoe(latent::factor);
    }

    /** The checkpoint, open as long as this, if the model comes from one. */
    Optional<Checkpoint> original() {
        return original;
    }

    /** The model as it is trained. */
    ModelSpec spec() {
        return spec;
    }

    /**
     * Makes the model to train.
     *
     * @param manager will own it
     * @param precision the arithmetic of the products
     * @param seed of everything that is random in it
     * @param loading how a checkpoint is loaded
     */
    CausalLm make(NDManager manager, Precision precision, int seed, Checkpoints.Loading loading) {
        boolean converts = options.upcycle != null || (latent.isGiven() && original.isPresent());
        if (!converts) {
            return base(spec, manager, precision, seed, loading);
        }
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            CausalLm from = base(base, scope, precision, seed, loading);
            manager.getEngine().setRandomSeed(seed);
            if (latent.isGiven()) {
                return LatentWarmStart.of(from, latent::factor, manager, precision);
            }
            DenseSpec dense = base.feedForwards().stream()
                    .filter(DenseSpec.class::isInstance)
                    .map(DenseSpec.class::cast)
                    .findFirst()
                    .orElseThrow();
            return Upcycling.of(from, options.upcycled(dense), manager, precision);
        }
    }

    private CausalLm base(
            ModelSpec model, NDManager manager, Precision precision, int seed, Checkpoints.Loading loading) {
        manager.getEngine().setRandomSeed(seed);
        return original.map(checkpoint -> loading.forTraining(checkpoint, model, manager, precision))
                .orElseGet(() -> shape(model, manager, precision));
    }

    /** The model with any values, to be filled from a checkpoint of a run. */
    CausalLm shape(NDManager manager, Precision precision) {
        return shape(spec, manager, precision);
    }

    private static CausalLm shape(ModelSpec model, NDManager manager, Precision precision) {
        CausalLm fresh =
                CausalLm.builder().setSpec(model).optPrecision(precision).build();
        fresh.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        return fresh;
    }

    @Override
    public void close() throws IOException {
        if (original.isPresent()) {
            original.get().close();
        }
    }
}
