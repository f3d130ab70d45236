package ai.molae.cli.plan;

import ai.molae.cost.Roofline;
import java.util.Optional;

/**
 * What a plan is counted for, beside the shapes.
 *
 * @param precision the number format
 * @param tokens T, tokens of a training batch
 * @param context positions a token attends, and length of a training sequence
 * @param batch sequences decoded together
 * @param machine the ceilings of a machine; empty for no times
 * @param trainTokens tokens of the whole training run, for the scaling law; empty for no prediction
 */
public record Settings(
        Precision precision,
        long tokens,
        long context,
        long batch,
        Optional<Roofline> machine,
        Optional<Double> trainTokens) {}
