package ai.molae.djl.convert.report;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The latent sizes that a report tells about. */
final class Candidates {

    static final String BREAK_EVEN = "break-even";

    /** In the order of the columns. */
    static final List<String> NAMES = List.of("n/8", "n/4", "m/2", "m", BREAK_EVEN);

    private Candidates() {}

    /** Latent size by name, for each of the names. */
    static Map<String, Integer> of(LayerSpectrum spectrum) {
        Map<String, Integer> sizes = new LinkedHashMap<>();
        sizes.put("n/8", Math.max(1, spectrum.columns() / 8));
        sizes.put("n/4", Math.max(1, spectrum.columns() / 4));
        sizes.put("m/2", Math.max(1, spectrum.rows() / 2));
        sizes.put("m", spectrum.rows());
        sizes.put(BREAK_EVEN, spectrum.breakEvenRank());
        return sizes;
    }
}
