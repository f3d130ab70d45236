package ai.molae.djl.train;

import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import java.util.Map;

/** Which formula updates a parameter. */
sealed interface UpdateKind {

    /** Fewer elements are not worth coding (Dettmers et al.). */
    int LEAST_CODED = 4096;

    /** λ of matrices. */
    double weightDecay();

    /** The update of parameters by this formula. */
    ParameterUpdate update(NDManager manager, Map<String, Parameter> parameters);

    /** The formula of a parameter. */
    static UpdateKind of(String path, Parameter parameter, OptimizerSpec spec) {
        if (spec instanceof MuonSpec muon) {
            boolean orthogonal = isMatrix(parameter)
                    && muon.adamWPaths().stream().noneMatch(glob -> new PathPattern(glob).matches(path));
            return orthogonal ? new Orthogonal(muon, parts(path)) : adamW(parameter, muon.adamW());
        }
        return spec instanceof SgdSpec sgd ? new Sgd(sgd) : adamW(parameter, (AdamWSpec) spec);
    }

    private static UpdateKind adamW(Parameter parameter, AdamWSpec spec) {
        long size = parameter.getArray().size();
        SecondMoment moment = isMatrix(parameter) ? spec.secondMoment() : SecondMoment.FULL;
        return new Adam(spec, moment == SecondMoment.EIGHT_BIT && size < LEAST_CODED ? SecondMoment.FULL : moment);
    }

    private static boolean isMatrix(Parameter parameter) {
        return parameter.getType() == Parameter.Type.WEIGHT
                && parameter.getArray().getShape().dimension() >= 2;
    }

    /** Matrices below each other: gate and up of an expert lie in one. */
    private static int parts(String path) {
        String name = path.substring(path.lastIndexOf('.') + 1);
        return name.equals("gate_up") || name.equals("shared_gate_up") ? 2 : 1;
    }

    /** AdamW. */
    record Adam(AdamWSpec spec, SecondMoment moment) implements UpdateKind {

        @Override
        public double weightDecay() {
            return spec.weightDecay();
        }

        @Override
        public ParameterUpdate update(NDManager manager, Map<String, Parameter> parameters) {
            return switch (moment) {
                case FULL -> new FusedAdamW(manager, parameters, spec);
                case FACTORED -> new FactoredAdamW(manager, parameters, spec);
                case EIGHT_BIT -> new EightBitAdamW(manager, parameters, spec);
            };
        }
    }

    /** Muon on parameters whose matrices consist of so many. */
    record Orthogonal(MuonSpec spec, int parts) implements UpdateKind {

        @Override
        public double weightDecay() {
            return spec.weightDecay();
        }

        @Override
        public ParameterUpdate update(NDManager manager, Map<String, Parameter> parameters) {
            return new MuonUpdate(manager, parameters, spec, parts);
        }
    }

    /** SGD. */
    record Sgd(SgdSpec spec) implements UpdateKind {

        @Override
        public double weightDecay() {
            return spec.weightDecay();
        }

        @Override
        public ParameterUpdate update(NDManager manager, Map<String, Parameter> parameters) {
            return new FusedSgd(manager, parameters, spec);
        }
    }
}
