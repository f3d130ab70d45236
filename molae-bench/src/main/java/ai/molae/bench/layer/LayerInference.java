package ai.molae.bench.layer;

import ai.molae.bench.contender.Contender;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Setup;

/** Inference of one layer; what differs is how many tokens a call has. Inputs take turns. */
public abstract class LayerInference extends LayerBenchmark<Contender> {

    LayerInference() {}

    /** Rows of an input. */
    abstract int tokens();

    /** Builds the layer, checks what it computes and states what it should cost. */
    @Setup(Level.Trial)
    public void open() {
        begin(tokens(), implementation::open, contender -> contender.forward(0));
        new LayerFacts(layer()).putInference(precision);
        ready(new Reference(layer()).checkOutput(0, measured().output(0), precision));
    }

    /** One call. */
    final void call() {
        measured().forward(nextCall());
    }
}
