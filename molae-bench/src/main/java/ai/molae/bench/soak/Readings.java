package ai.molae.bench.soak;

import java.io.IOException;
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

    private final Path file;

    /**
     * Readings in a file, which may be there already.
     *
     * @param file where
     */
    Readings(Path file) {
        this.file = file;
    }

    /**
     * Begins the file anew.
     *
     * @throws IOException if it cannot be written
     */
    void begin() throws IOException {
        Files.writeString(
                file,
                "round,hours"
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
     * @param folder of the work
     * @return what they show
     * @throws IOException if the file cannot be written
     */
    Reading add(long round, double hours, Path folder) throws IOException {
        Map<Gauge, Double> values = new EnumMap<>(Gauge.class);
        for (Gauge gauge : Gauge.values()) {
            values.put(gauge, gauge.read(folder));
        }
        Reading reading = new Reading(round, hours, values);
        Files.writeString(file, reading.line() + "\n", StandardOpenOption.APPEND);
        return reading;
    }

    /**
     * All of them.
     *
     * @return one for each round
     * @throws IOException if the file cannot be read
     */
    List<Reading> all() throws IOException {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.skip(1).map(Reading::parse).toList();
        }
    }
}
