package ai.molae.djl.convert.report;

import ai.molae.djl.convert.SpectrumReport;
import java.io.IOException;
import java.nio.file.Path;

/**
 * What a conversion can hope for, for people and programs. For each operator of each layer: the energy that latent sizes keep, against what they
 * would keep of random matrices,
 *
 * <pre>
 *   kept(r) = Σ_groups Σ_{j ≤ r} s_j² / Σ_groups Σ_j s_j²
 *   break-even latent size   the largest r with N m r + G n r &lt; N m n
 *   break-even group size    k > n r / (m (n − r)),  with r = m  k > n / (n − m)      (Liu et al., arXiv 2503.23100)
 * </pre>
 *
 * the parameters and FLOPs of the routed experts to expect, and a warning wherever a conversion cannot pay. Curves have at most 200 points each,
 * however many ranks there are. In JSON what is not finite is null.
 */
public final class SpectrumFiles {

    private SpectrumFiles() {}

    /**
     * The report as Markdown: warnings and tables.
     *
     * @param report the spectra
     * @return a document that begins with a headline
     * @throws IllegalArgumentException if the plan makes a MoE layer something else
     */
    public static String markdown(SpectrumReport report) {
        return SpectrumSheet.of(report).markdown();
    }

    /**
     * The report as a page: warnings, tables and charts.
     *
     * @param report the spectra
     * @return an HTML document that loads nothing
     * @throws IllegalArgumentException if the plan makes a MoE layer something else
     */
    public static String html(SpectrumReport report) {
        return SpectrumSheet.of(report).html();
    }

    /**
     * The report for programs, groups one by one.
     *
     * @param report the spectra
     * @return a JSON object in one line
     * @throws IllegalArgumentException if the plan makes a MoE layer something else
     */
    public static String json(SpectrumReport report) {
        return Texts.COMPACT.toJson(SpectrumJson.of(report)) + "\n";
    }

    /**
     * Writes {@code spectrum.md}, {@code spectrum.html} and {@code spectrum.json}, each beside its place and then renamed.
     *
     * @param report the spectra
     * @param folder where; it is made if it is missing
     * @throws IOException if a file cannot be written
     * @throws IllegalArgumentException if the plan makes a MoE layer something else
     */
    public static void write(SpectrumReport report, Path folder) throws IOException {
        ReportFiles.write(folder, "spectrum", markdown(report), json(report), html(report));
    }
}
