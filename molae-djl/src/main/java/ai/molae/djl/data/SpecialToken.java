package ai.molae.djl.data;

/**
 * A token that stands for no text, such as the end of one.
 *
 * @param text how it is written
 * @param id its id
 */
public record SpecialToken(String text, int id) {}
