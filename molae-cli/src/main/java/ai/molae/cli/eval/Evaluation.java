package ai.molae.cli.eval;

import ai.molae.cli.table.Table;

/**
 * What an evaluation found.
 *
 * @param result how well the model predicts the text
 * @param loads how evenly it used its experts
 */
public record Evaluation(Result result, Table loads) {}
