package ai.molae.djl.train;

import java.util.Map;

/**
 * Which optimizer, with its hyper-parameters; {@link Optimizers} makes it. Specs are equal if all numbers are. The learning rate is not
 * part of it, it comes with every step from a {@link LearningRateSchedule}.
 */
public sealed interface OptimizerSpec permits AdamWSpec, MuonSpec, SgdSpec {

    /**
     * The spec as what JSON knows.
     *
     * @return strings, numbers, booleans, lists and maps by name; {@code type} is the name of the class
     */
    default Map<String, Object> describe() {
        return Descriptions.of((Record) this);
    }

    /**
     * How much state it keeps.
     *
     * @return bytes per trained parameter, about: of the matrices, which are nearly all
     */
    double stateBytesPerParameter();
}
