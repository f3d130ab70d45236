package ai.molae.djl.data.jinja;

import java.util.List;

/** A function that a template may call, given to it as a variable. */
@FunctionalInterface
public interface JinjaFunction {

    /**
     * Computes a value.
     *
     * @param arguments text, {@link Long}, {@link Double}, {@link Boolean}, lists and maps of them; Python's {@code None} as an empty
     *     {@link java.util.Optional}
     * @return a value of the same kinds
     * @throws JinjaException if the arguments are wrong
     */
    Object call(List<Object> arguments);
}
