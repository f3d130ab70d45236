/**
 * The part of Jinja that chat templates are written in, with the semantics of Python. Templates come from strangers: they see the values
 * they are given, as text, numbers, lists and maps, and no Java object; they cannot change them, and what they may compute is limited.
 */
@NullMarked
package ai.molae.djl.data.jinja;

import org.jspecify.annotations.NullMarked;
