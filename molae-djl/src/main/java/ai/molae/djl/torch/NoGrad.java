package ai.molae.djl.torch;

import ai.djl.pytorch.jni.JniUtils;

/**
 * Switches autograd off on this thread until closed. DJL leaves it <em>on</em> on every thread but the one that started the engine, so
 * that a server thread would build graphs for nothing.
 *
 * <pre>{@code
 * try (NoGrad noGrad = new NoGrad()) {
 *     NDList y = block.forward(parameterStore, inputs, false);
 * }
 * }</pre>
 */
public final class NoGrad implements AutoCloseable {

    private final boolean before = JniUtils.isGradMode();

    /** Switches autograd off. */
    public NoGrad() {
        JniUtils.setGradMode(false);
    }

    /** Restores the mode found by the constructor. */
    @Override
    public void close() {
        JniUtils.setGradMode(before);
    }
}
