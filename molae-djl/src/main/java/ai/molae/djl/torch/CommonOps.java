package ai.molae.djl.torch;

/** The operations of this package, and those of {@code common.py} that need no other resource. */
final class CommonOps {

    static final TorchOps OPS = new TorchOps(CommonOps.class, "torch.py");

    private CommonOps() {}
}
