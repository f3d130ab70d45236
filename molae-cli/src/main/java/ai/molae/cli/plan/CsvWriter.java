package ai.molae.cli.plan;

import ai.molae.cli.table.Csv;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A plan for spreadsheets: RFC 4180 with a header line; what does not exist is empty. */
final class CsvWriter {

    private CsvWriter() {}

    static String write(Plan plan) {
        return Stream.concat(
                        Stream.of(List.of("subject", "section", "name", "unit", "moe", "molae", "ratio")),
                        plan.rows().stream().map(CsvWriter::cells))
                .map(cells -> cells.stream().map(Csv::quoted).collect(Collectors.joining(",", "", "\n")))
                .collect(Collectors.joining());
    }

    private static List<String> cells(Row row) {
        return List.of(
                row.subject(),
                row.section(),
                row.name().strip(),
                row.unit().label(),
                row.moe().map(String::valueOf).orElse(""),
                String.valueOf(row.molae()),
                row.ratio().map(String::valueOf).orElse(""));
    }
}
