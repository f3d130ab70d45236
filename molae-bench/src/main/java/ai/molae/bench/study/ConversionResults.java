package ai.molae.bench.study;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** Losses by method, ratio and seed, one line each in a file: {@code method;ratio;seed;loss}. */
final class ConversionResults {

    private record Result(String method, double ratio, int seed, double loss) {
        boolean is(String otherMethod, double otherRatio) {
            return method.equals(otherMethod) && ratio == otherRatio;
        }
    }

    private final Path file;
    private final List<Result> results = new ArrayList<>();

    ConversionResults(Path file) throws IOException {
        this.file = file;
        if (Files.exists(file)) {
            for (String line : Files.readAllLines(file)) {
                String[] parts = line.split(";", -1);
                results.add(new Result(
                        parts[0],
                        Double.parseDouble(parts[1]),
                        Integer.parseInt(parts[2]),
                        Double.parseDouble(parts[3])));
            }
        }
    }

    boolean has(String method, double ratio, int seed) {
        return results.stream().anyMatch(result -> result.is(method, ratio) && result.seed() == seed);
    }

    void add(String method, double ratio, int seed, double loss) throws IOException {
        String line = method + ";" + ratio + ";" + seed + ";" + loss;
        Files.writeString(file, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        results.add(new Result(method, ratio, seed, loss));
        System.out.println(line);
    }

    /** Mean and deviation of the sample over seeds: the loss of the standard model, and how much higher that of the others is. */
    String table(List<Double> ratios) {
        StringBuilder table = new StringBuilder("| loss above the standard model's |");
        ratios.forEach(ratio -> table.append(' ').append(ratio).append(" |"));
        table.append("\n| --- |").append(" ---: |".repeat(ratios.size())).append('\n');
        Set<String> methods = new LinkedHashSet<>();
        results.stream().filter(result -> result.ratio() < 1).forEach(result -> methods.add(result.method()));
        for (String method : methods) {
            table.append("| ").append(method).append(" |");
            for (double ratio : ratios) {
                List<Double> above = results.stream()
                        .filter(result -> result.is(method, ratio))
                        .map(result -> result.loss() - standard(result.seed()))
                        .toList();
                table.append(above.isEmpty() ? " |" : ' ' + shown(above) + " |");
            }
            table.append('\n');
        }
        List<Double> standard = results.stream()
                .filter(result -> result.ratio() == 1)
                .map(Result::loss)
                .toList();
        return table.append("\nLoss of the standard model: ").append(shown(standard)) + "\n";
    }

    private double standard(int seed) {
        return results.stream()
                .filter(result -> result.ratio() == 1 && result.seed() == seed)
                .mapToDouble(Result::loss)
                .findFirst()
                .orElse(Double.NaN);
    }

    private static String shown(List<Double> values) {
        double[] sample = values.stream().mapToDouble(Double::doubleValue).toArray();
        String seeds = values.size() == 3 ? "" : " (" + values.size() + ")";
        return String.format(Locale.ROOT, "%.4f ± %.4f%s", Sample.mean(sample), Sample.deviation(sample), seeds);
    }
}
