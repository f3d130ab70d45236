package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against singular values by one-sided Jacobi rotations of the stacked matrices, in plain Java. n = 12, m = 5, N = 4, K = 2. */
class ExpertSpectraTest {

    private static final int N = 4;
    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(12)
            .setIntermediateSize(5)
            .setNumExperts(N)
            .setTopK(2)
            .build();

    @TempDir
    private Path folder;

    private NDManager manager;

    /** A dense layer and two MoE layers of random weights. */
    private CausalLm save(MoeSpec moe) throws IOException {
        ModelSpec spec = ModelSpec.builder()
                .setVocabSize(8)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 4))
                .addLayers(1, DenseSpec.swiglu(12, 8))
                .addLayers(2, moe)
                .build();
        Engine.getEngine("PyTorch").setRandomSeed(7);
        CausalLm model = CausalLm.builder().setSpec(spec).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        CheckpointSaver.of(model).save(folder);
        return model;
    }

    /** The squared singular values of some experts' matrices, one below the other as {@code [m, n]}. */
    private double[] stacked(CausalLm model, int layer, ExpertOperator operator, int... experts) {
        MoeBlock block = (MoeBlock) model.layers().get(layer).feedForward();
        List<double[]> rows = new ArrayList<>();
        for (int expert : experts) {
            double[][] w = whole(block, operator, expert);
            rows.addAll(Arrays.asList(operator == ExpertOperator.DOWN ? transposed(w) : w));
        }
        double[] s = singularValues(transposed(rows.toArray(double[][]::new)));
        return Arrays.stream(s).map(x -> x * x).toArray();
    }

    /** An expert's matrix, multiplied out if it is factored. */
    private double[][] whole(MoeBlock block, ExpertOperator operator, int expert) {
        return doubles(ExpertMatrices.of(manager, block, expert, operator));
    }

    private static double[][] doubles(ai.djl.ndarray.NDArray array) {
        int columns = (int) array.getShape().get(1);
        float[] flat = array.toFloatArray();
        double[][] rows = new double[flat.length / columns][columns];
        for (int i = 0; i < flat.length; i++) {
            rows[i / columns][i % columns] = flat[i];
        }
        return rows;
    }

    private static double[][] transposed(double[][] a) {
        double[][] t = new double[a[0].length][a.length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < a[0].length; j++) {
                t[j][i] = a[i][j];
            }
        }
        return t;
    }

    /** Rotates pairs of columns until all are orthogonal; their lengths are the singular values, the greatest first. */
    private static double[] singularValues(double[][] columns) {
        for (int sweep = 0; sweep < 30; sweep++) {
            for (int p = 0; p < columns.length; p++) {
                for (int q = p + 1; q < columns.length; q++) {
                    rotate(columns[p], columns[q]);
                }
            }
        }
        return Arrays.stream(columns)
                .map(column -> Math.sqrt(Arrays.stream(column).map(x -> x * x).sum()))
                .sorted(Comparator.reverseOrder())
                .mapToDouble(Double::doubleValue)
                .toArray();
    }

    private static void rotate(double[] a, double[] b) {
        double aa = 0;
        double bb = 0;
        double ab = 0;
        for (int i = 0; i < a.length; i++) {
            aa += a[i] * a[i];
            bb += b[i] * b[i];
            ab += a[i] * b[i];
        }
        double angle = 0.5 * Math.atan2(2 * ab, aa - bb);
        double c = Math.cos(angle);
        double s = Math.sin(angle);
        for (int i = 0; i < a.length; i++) {
            double x = a[i];
            a[i] = c * x + s * b[i];
            b[i] = c * b[i] - s * x;
        }
    }

    private static OperatorSpectrum find(SpectrumReport report, int layer, ExpertOperator operator, int group) {
        return report.spectra().stream()
                .filter(s -> s.layer() == layer && s.operator() == operator && s.group() == group)
                .findFirst()
                .orElseThrow();
    }

    /** The first ones are those expected, the others nothing but rounding. */
    private static void assertEnergies(double[] energies, double[] expected) {
        double greatest = expected[0];
        for (int i = 0; i < energies.length; i++) {
            double wanted = i < expected.length ? expected[i] : 0;
            assertThat(energies[i]).as("s_%d²", i + 1).isCloseTo(wanted, within(1e-5 * greatest));
        }
        for (int i = energies.length; i < expected.length; i++) {
            assertThat(expected[i]).isCloseTo(0, within(1e-5 * greatest));
        }
    }

    private static SpectrumReport compute(Checkpoint checkpoint, Integer... layers) {
        return new ExpertSpectra(checkpoint, List.of(layers), progress -> {}).compute();
    }

    private void withManager(ThrowingWork work) throws IOException {
        try (NDManager owner = NDManager.newBaseManager("PyTorch")) {
            manager = owner;
            work.run();
        }
    }

    private interface ThrowingWork {
        void run() throws IOException;
    }

    @Test
    void allExpertsOfAStandardLayerAreOneStack() throws IOException {
        withManager(() -> {
            CausalLm model = save(MOE);
            try (Checkpoint checkpoint = Checkpoint.open(folder)) {
                SpectrumReport report = compute(checkpoint, 1, 2);

                assertThat(report.spectra()).hasSize(2 * 3);
                for (int layer = 1; layer <= 2; layer++) {
                    for (ExpertOperator operator : ExpertOperator.values()) {
                        OperatorSpectrum found = find(report, layer, operator, 0);
                        assertThat(found.experts()).isEqualTo(N);
                        assertThat(found.columns()).isEqualTo(12);
                        assertEnergies(found.energies(), stacked(model, layer, operator, 0, 1, 2, 3));
                    }
                }
            }
        });
    }

    /** Gate and up are 4 and 3 wide, down is 5; groups of two. */
    @Test
    void factoredExpertsAreStackedByGroupAndHaveTheSingularValuesOfTheirProducts() throws IOException {
        withManager(() -> {
            LatentSpec latent = LatentSpec.builder()
                    .setGroupSize(2)
                    .optLatentSize(ExpertOperator.GATE, 4)
                    .optLatentSize(ExpertOperator.UP, 3)
                    .optLatentSize(ExpertOperator.DOWN, 5)
                    .build();
            CausalLm model = save(MOE.withLatent(latent));
            try (Checkpoint checkpoint = Checkpoint.open(folder)) {
                SpectrumReport report = compute(checkpoint, 2);

                assertThat(report.spectra()).hasSize(3 * 2);
                latent.latentSizes().forEach((operator, r) -> {
                    for (int group = 0; group < 2; group++) {
                        OperatorSpectrum found = find(report, 2, operator, group);
                        assertThat(found.columns()).as("%s", operator).isEqualTo(r);
                        assertThat(found.energies()).hasSize(r);
                        assertEnergies(found.energies(), stacked(model, 2, operator, 2 * group, 2 * group + 1));
                    }
                });
            }
        });
    }

    @Test
    void tiedOperatorsAreToldApartAndDenseOnesAreReadAsTheyAre() throws IOException {
        withManager(() -> {
            LatentSpec latent = LatentSpec.builder()
                    .setLatentSize(4)
                    .setGroupSize(2)
                    .optFactored(ExpertOperator.GATE, ExpertOperator.UP)
                    .optTiedGateUp(true)
                    .build();
            CausalLm model = save(MOE.withLatent(latent));
            try (Checkpoint checkpoint = Checkpoint.open(folder)) {
                SpectrumReport report = compute(checkpoint, 1);

                assertThat(report.spectra()).hasSize(2 + 2 + 1);
                assertEnergies(
                        find(report, 1, ExpertOperator.UP, 1).energies(), stacked(model, 1, ExpertOperator.UP, 2, 3));
                assertEnergies(
                        find(report, 1, ExpertOperator.DOWN, 0).energies(),
                        stacked(model, 1, ExpertOperator.DOWN, 0, 1, 2, 3));
            }
        });
    }

    @Test
    void stopsBetweenTwoMatrices() throws IOException {
        withManager(() -> {
            save(MOE);
            try (Checkpoint checkpoint = Checkpoint.open(folder)) {
                AtomicReference<ExpertSpectra> spectra = new AtomicReference<>();
                spectra.set(new ExpertSpectra(
                        checkpoint, Set.of(1, 2), progress -> spectra.get().stop()));

                assertThatExceptionOfType(CancellationException.class)
                        .isThrownBy(() -> spectra.get().compute());
            }
        });
    }

    @Test
    void refusesLayersWithoutExperts() throws IOException {
        withManager(() -> {
            save(MOE);
            try (Checkpoint checkpoint = Checkpoint.open(folder)) {
                for (int layer : new int[] {-1, 0, 3}) {
                    assertThatIllegalArgumentException()
                            .isThrownBy(() -> compute(checkpoint, layer))
                            .withMessageContaining("layer " + layer + " is no MoE layer");
                }
            }
        });
    }

    /** 2·N·m·n² + 9 n³ for each of three operators; factored ones by r and by group. */
    @Test
    void workIsForeseen() {
        assertThat(ExpertSpectra.flops(MOE)).isEqualTo(3 * (2.0 * 4 * 5 * 144 + 9 * 1728));
        MoeSpec molae = MOE.withLatent(
                LatentSpec.builder().setLatentSize(3).setGroupSize(2).build());
        assertThat(ExpertSpectra.flops(molae)).isEqualTo(3 * (2.0 * 4 * 5 * 9 + 2 * 9 * 27));
    }
}
