package ai.molae.bench.layer;

import ai.molae.bench.contender.Contender;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/** Inference of one layer; what differs is how many tokens a call has. Inputs take turns. */
@SuppressWarnings("NullAway.Init") // JMH calls open() first
public abstract class LayerInference extends LayerBenchmark {

    private Contender contender;
    private int call;

    LayerInference() {}

    /** Rows of an input. */
    abstract int tokens();

    /** Builds the layer, checks what it computes and states what it should cost. */
    @Setup(Level.Trial)
    public void open() {
        contender = begin(tokens(), implementation::open, layer -> layer.forward(0));
        new LayerFacts(layer(tokens())).putInference(precision);
        ready(new Reference(layer(tokens())).checkOutput(0, contender.output(0), precision));
    }

    /** One call. */
    final void call() {
        contender.forward(call++);
    }

    /** Frees the layer. */
    @SuppressWarnings("NullAway") // nothing may refer to it when memory is counted
    @TearDown(Level.Trial)
    public void close() {
        end(() -> {
            contender.close();
            contender = null;
        });
    }
}
