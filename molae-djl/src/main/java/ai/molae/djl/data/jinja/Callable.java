package ai.molae.djl.data.jinja;

/** What a template can call: a function, a macro, or a method bound to its value. */
@FunctionalInterface
interface Callable {

    Object call(Arguments arguments, Scope scope);
}
