package ai.molae.cli.convert;

import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Output;
import ai.molae.cli.work.StageMeter;
import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.Converter;
import ai.molae.djl.convert.GroupPolicy;
import ai.molae.djl.convert.RankPolicy;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.djl.convert.Weighting;
import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code molae spectrum}: what a conversion can hope for. */
@Command(
        name = "spectrum",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Show what a conversion can hope for: how much of its experts a checkpoint of a standard MoE keeps at which latent size,"
                    + " against what matrices at random would keep.",
            "Nothing is converted. The report is printed as Markdown."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae spectrum OLMoE-1B-7B",
            "  molae spectrum OLMoE-1B-7B --groups 8 --out report",
            "  molae spectrum OLMoE-1B-7B --ratio 0.7 --budget parameters",
            "  molae spectrum OLMoE-1B-7B --weighting activations --calibration moments"
        })
public final class SpectrumCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Parameters(paramLabel = "SRC", description = "Folder of the checkpoint of a standard MoE.")
    @SuppressWarnings("NullAway.Init") // required
    private Path source;

    @ArgGroup(validate = false, heading = "%nWhich experts share projections:%n", order = 1)
    private GroupOptions groups = new GroupOptions();

    @ArgGroup(validate = false, heading = "%nWhat to plan, beside the spectra:%n", order = 2)
    private RankOptions ranks = new RankOptions();

    @Option(
            names = "--weighting",
            paramLabel = "NORM",
            defaultValue = "none",
            description = "What errors are weighed by: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Weighting weighting = Weighting.NONE;

    @Option(
            names = "--calibration",
            paramLabel = "DIR",
            description = "A calibration that molae convert has kept, for the weightings that need text.")
    private @Nullable Path calibration;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Write spectrum.md, spectrum.html and spectrum.json there too.")
    private @Nullable Path out;

    @ArgGroup(validate = false, heading = "%nThe machine:%n", order = 3)
    private MachineOptions machine = new MachineOptions();

    @Option(names = "--quiet", description = "No progress.")
    private boolean quiet;

    /** Made by picocli. */
    public SpectrumCommand() {}

    @Override
    public Integer call() throws IOException {
        machine.check();
        if (calibration != null) {
            TextOptions.checkExists("--calibration", calibration);
        }
        try (Interruption interruption = new Interruption()) {
            return interruption.guard(spec.commandLine().getErr(), () -> run(interruption));
        }
    }

    private int run(Interruption interruption) throws IOException {
        Converter.Builder builder = Converter.builder().setSource(source);
        try (Checkpoint checkpoint = Checkpoints.open(source)) {
            builder.setMethod(method(checkpoint));
            if (calibration != null) {
                Calibration kept = Calibration.open(calibration);
                kept.checkSource(checkpoint);
                builder.optCalibration(kept);
            }
        }
        machine.configure(builder);
        SpectrumReport report;
        try (StageMeter meter = new StageMeter(spec.commandLine().getErr(), quiet)) {
            Converter converter = builder.optProgress(meter).build();
            interruption.onInterrupt(converter::stop);
            report = ranks.isGiven() ? converter.plannedSpectrum() : converter.spectrum();
        }
        if (out != null) {
            Reports.write(report, out);
        }
        Output.print(spec.commandLine(), Reports.markdown(report));
        return 0;
    }

    private ConversionMethod method(Checkpoint checkpoint) {
        List<MoeSpec> layers = ConversionOptions.standardLayers(checkpoint.spec());
        int mostExperts = layers.stream().mapToInt(MoeSpec::numExperts).max().orElseThrow();
        Set<ExpertOperator> named = ranks.named();
        Set<ExpertOperator> operators = EnumSet.noneOf(ExpertOperator.class);
        layers.forEach(layer -> operators.addAll(layer.operators()));
        if (!named.isEmpty()) {
            operators.retainAll(named);
        }
        ConversionMethod method = ConversionMethod.builder()
                .setRanks(ranks.over(
                        new RankPolicy.Uniform(ranks.ratio()),
                        operators,
                        checkpoint.spec().hiddenSize()))
                .optOperators(operators)
                .optWeighting(weighting)
                .optGroups(groups.over(GroupPolicy.contiguous(0), mostExperts))
                .build();
        if (method.needsCalibration() && calibration == null) {
            throw new IllegalArgumentException((weighting.needsCalibration()
                            ? "--weighting " + weighting.name().toLowerCase(Locale.ROOT)
                            : "--grouping co-activation")
                    + " needs text: name what molae convert has kept of it with --calibration");
        }
        return method;
    }
}
