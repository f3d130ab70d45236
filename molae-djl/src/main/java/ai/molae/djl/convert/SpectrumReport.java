package ai.molae.djl.convert;

import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.List;
import java.util.Optional;

/**
 * What a conversion can hope for, before it is done.
 *
 * @param source the name of the checkpoint's folder
 * @param model the model
 * @param weighting the norm of the spectra
 * @param spectra one for each layer, operator and group
 * @param planned what a method would make of the model; empty if there is no plan
 */
public record SpectrumReport(
        String source,
        ModelSpec model,
        Weighting weighting,
        List<OperatorSpectrum> spectra,
        Optional<ModelSpec> planned) {

    /**
     * Checks that the spectra are of layers of the model.
     *
     * @param source the name of the checkpoint's folder
     * @param model the model
     * @param weighting the norm of the spectra
     * @param spectra one for each layer, operator and group
     * @param planned what a method would make of the model
     * @throws IllegalArgumentException if a spectrum is of a layer that is no MoE layer of the model, or the plan has another number of layers
     */
    public SpectrumReport {
        spectra = List.copyOf(spectra);
        for (OperatorSpectrum spectrum : spectra) {
            int layer = spectrum.layer();
            if (layer < 0
                    || layer >= model.numLayers()
                    || !(model.feedForwards().get(layer) instanceof MoeSpec)) {
                throw new IllegalArgumentException("a spectrum of layer " + layer + ", which is no MoE layer of the "
                        + model.numLayers() + " layers");
            }
        }
        planned.ifPresent(plan -> {
            if (plan.numLayers() != model.numLayers()) {
                throw new IllegalArgumentException(
                        "the model has " + model.numLayers() + " layers, what is planned " + plan.numLayers());
            }
        });
    }

    /**
     * Without a plan.
     *
     * @param source the name of the checkpoint's folder
     * @param model the model
     * @param weighting the norm of the spectra
     * @param spectra one for each layer, operator and group
     * @throws IllegalArgumentException if a spectrum is of a layer that is no MoE layer of the model
     */
    public SpectrumReport(String source, ModelSpec model, Weighting weighting, List<OperatorSpectrum> spectra) {
        this(source, model, weighting, spectra, Optional.empty());
    }
}
