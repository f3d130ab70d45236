package ai.molae.djl.convert.report;

import ai.molae.djl.chart.Point;
import ai.molae.djl.convert.OperatorSpectrum;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.spec.ExpertOperator;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/** The spectra of an operator of a layer over all its groups: with one latent size for all, energies add up rank by rank. */
final class LayerSpectrum {

    /** Points of a curve, however many ranks there are. */
    private static final int POINTS = 200;

    /** A group's energy and the floor of a matrix of its shape. */
    private record Floor(double energy, RandomFloor floor) {}

    private final List<OperatorSpectrum> groups;
    private final List<Floor> floors = new ArrayList<>();

    /** Energy in the first r dimensions of every group. */
    private final double[] cumulative;

    private LayerSpectrum(List<OperatorSpectrum> groups, Map<List<Long>, RandomFloor> known) {
        this.groups = groups;
        int length =
                groups.stream().mapToInt(group -> group.energies().length).max().orElse(0);
        cumulative = new double[length + 1];
        for (OperatorSpectrum group : groups) {
            double sum = 0;
            for (int j = 0; j < length; j++) {
                // Eigenvalues of a Gram matrix may miss zero by rounding.
                sum += j < group.energies().length ? Math.max(0, group.energies()[j]) : 0;
                cumulative[j + 1] += sum;
            }
            List<Long> shape = List.of((long) group.experts() * group.rows(), (long) group.columns());
            floors.add(new Floor(sum, known.computeIfAbsent(shape, s -> new RandomFloor(s.get(0), s.get(1)))));
        }
    }

    /** Those of a report, by layer and operator. */
    static List<LayerSpectrum> of(SpectrumReport report) {
        Map<Integer, Map<ExpertOperator, List<OperatorSpectrum>>> byLayer = new TreeMap<>();
        for (OperatorSpectrum spectrum : report.spectra()) {
            byLayer.computeIfAbsent(spectrum.layer(), layer -> new TreeMap<>())
                    .computeIfAbsent(spectrum.operator(), operator -> new ArrayList<>())
                    .add(spectrum);
        }
        Map<List<Long>, RandomFloor> known = new HashMap<>();
        return byLayer.values().stream()
                .flatMap(operators -> operators.values().stream())
                .map(groups -> groups.stream()
                        .sorted(Comparator.comparingInt(OperatorSpectrum::group))
                        .toList())
                .map(groups -> new LayerSpectrum(groups, known))
                .toList();
    }

    List<OperatorSpectrum> groups() {
        return groups;
    }

    int layer() {
        return groups.get(0).layer();
    }

    ExpertOperator operator() {
        return groups.get(0).operator();
    }

    /** m. */
    int rows() {
        return groups.get(0).rows();
    }

    /** n. */
    int columns() {
        return groups.get(0).columns();
    }

    /** N. */
    int experts() {
        return groups.stream().mapToInt(OperatorSpectrum::experts).sum();
    }

    /** How many experts each group has. */
    List<Integer> groupSizes() {
        return groups.stream().map(OperatorSpectrum::experts).toList();
    }

    int breakEvenRank() {
        return BreakEven.rank(experts(), groups.size(), rows(), columns());
    }

    /** The share of the energy that latent size r keeps; NaN of no energy. */
    double kept(int r) {
        return cumulative[Math.min(r, cumulative.length - 1)] / cumulative[cumulative.length - 1];
    }

    /** The least that a group keeps. */
    double leastKept(int r) {
        return groups.stream().mapToDouble(group -> group.kept(r)).min().orElse(Double.NaN);
    }

    /** What r would keep if the experts were random matrices of the same energy. */
    double randomFloor(int r) {
        double kept = 0;
        for (Floor group : floors) {
            kept += group.energy() * group.floor().kept(r);
        }
        return kept / cumulative[cumulative.length - 1];
    }

    /** The sum of all squared singular values. */
    double energy() {
        return cumulative[cumulative.length - 1];
    }

    /** The greatest singular value of any group. */
    double greatest() {
        return Math.sqrt(groups.stream()
                .mapToDouble(group -> group.energies().length == 0 ? 0 : Math.max(0, group.energies()[0]))
                .max()
                .orElse(0));
    }

    /** So many singular values a group can have at most. */
    int fullRank() {
        long most = groups.stream().mapToInt(OperatorSpectrum::experts).max().orElse(0);
        return (int) Math.min(columns(), most * rows());
    }

    /** The least r that would keep a share of the energy of random matrices; 0 of no energy. */
    int randomRankFor(double share) {
        int low = 0;
        int high = energy() == 0 ? 0 : fullRank();
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (randomFloor(middle) >= share * (1 - 1e-12)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }

    /** The least r that keeps a share of the energy. */
    int rankFor(double share) {
        double needed = share * cumulative[cumulative.length - 1] * (1 - 1e-12);
        int r = 0;
        while (cumulative[r] < needed) {
            r++;
        }
        return r;
    }

    /** Ranks from 0 to all, evenly thinned out. */
    List<Integer> ranks() {
        int last = cumulative.length - 1;
        if (last < POINTS) {
            return IntStream.rangeClosed(0, last).boxed().toList();
        }
        List<Integer> ranks = new ArrayList<>(POINTS);
        for (int i = 0; i < POINTS; i++) {
            ranks.add((int) Math.round((double) last * i / (POINTS - 1)));
        }
        return List.copyOf(ranks);
    }

    /** Per cent of the energy by rank. */
    List<Point> curve() {
        return points(this::kept);
    }

    /** Per cent of the energy of random matrices by rank. */
    List<Point> floorCurve() {
        return points(this::randomFloor);
    }

    private List<Point> points(IntToDoubleFunction share) {
        return ranks().stream()
                .map(r -> new Point(r, 100 * share.applyAsDouble(r)))
                .filter(point -> Double.isFinite(point.y()))
                .toList();
    }
}
