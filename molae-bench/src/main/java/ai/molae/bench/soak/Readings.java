package ai.molae.bench.soak;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the gauges showed after each round, in a file of comma-separated values and nowhere else: readings that pile up on the Java heap would be seen by the
 * gauge of it.
 */
final class Readings {

    private static final List<String> TIMES = List.of("round", "hours");

    private final Path file;
    private final Path folder;

    /**
     * Begins a file anew.
     *
     * @param file where
     * @param folder of the work
     * @throws IOException if the file cannot be written
     */
    Readings(Path file, Path folder) throws IOException {
        this.file = file;
        this.folder = folder;
        Files.writeString(
                file,
                String.join(",", TIMES)
                        + Arrays.stream(Gauge.values())
                                .map(gauge -> "," + gauge.name().toLowerCase(Locale.ROOT))
                                .collect(Collectors.joining())
                        + "\n");
    }

    /**
     * Reads all gauges.
     *
     * @param round how many rounds are done
     * @param hours since the start
     * @return what they show
     * @throws IOException if the file cannot be written
     */
    Map<Gauge, Double> add(long round, double hours) throws IOException {
        Map<Gauge, Double> values = new EnumMap<>(Gauge.class);
        for (Gauge gauge : Gauge.values()) {
            values.put(gauge, gauge.read(folder));
        }
        Files.writeString(
                file,
                round + String.format(Locale.ROOT, ",%.6f", hours)
                        + values.values().stream()
                                .map(value -> "," + plain(value))
                                .collect(Collectors.joining())
                        + "\n",
                StandardOpenOption.APPEND);
        return values;
    }

    private static String plain(double value) {
        return Double.isFinite(value) ? new BigDecimal(value).toPlainString() : "";
    }

    /**
     * All of them.
     *
     * @return a row for each round: its number, the hours since the start, and the gauges in their order, NaN where one tells nothing
     * @throws IOException if the file cannot be read
     */
    List<double[]> rows() throws IOException {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.skip(1)
                    .map(line -> Arrays.stream(line.split(",", -1))
                            .mapToDouble(cell -> cell.isEmpty() ? Double.NaN : Double.parseDouble(cell))
                            .toArray())
                    .toList();
        }
    }
}
