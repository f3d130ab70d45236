/**
 * What a layer or a model costs before any of it is built: parameters, FLOPs, bytes, traffic, time floors and expected
 * loss. Pure arithmetic on the specs of {@link ai.molae.spec}; nothing is measured here.
 *
 * <p>Legend, beside that of {@link ai.molae.spec}:
 *
 * <pre>
 *   D  distinct groups among the K experts of a token
 *   R  rows of a group's latent_in: r if gate and up are tied, else r_gate + r_up of those that are factored
 *   p  routing weight of a chosen expert
 * </pre>
 *
 * One multiply-add is 2 FLOPs. Only matrix products count as FLOPs: not activations, norms, softmax, rotary embedding
 * or sorting. {@code long} results are exact; {@code double} results hold an expectation over routing, or may exceed a
 * {@code long}.
 */
package ai.molae.cost;
