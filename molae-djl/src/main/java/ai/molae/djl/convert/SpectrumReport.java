package ai.molae.djl.convert;

import ai.molae.spec.ModelSpec;
import java.util.List;

/**
 * What a conversion can hope for, before it is done.
 *
 * @param source the name of the checkpoint's folder
 * @param model the model
 * @param weighting the norm of the spectra
 * @param spectra one for each layer, operator and group
 */
public record SpectrumReport(String source, ModelSpec model, Weighting weighting, List<OperatorSpectrum> spectra) {}
