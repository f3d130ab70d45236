package ai.molae.spec;

/** How group-limited routing scores a group of experts from the scores of its members. */
public enum GroupScore {
    /** The largest score in the group (DeepSeek-V2). */
    MAX,
    /** The sum of the two largest scores in the group, correction bias included (DeepSeek-V3). */
    TOP2_SUM
}
