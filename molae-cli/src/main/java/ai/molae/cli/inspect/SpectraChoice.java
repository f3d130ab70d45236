package ai.molae.cli.inspect;

import ai.molae.cli.table.Unit;
import ai.molae.djl.convert.ExpertSpectra;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Whose spectra are computed.
 *
 * @param layers MoE layers, in their order
 * @param note why not all, or no layers; empty for all
 */
record SpectraChoice(List<Integer> layers, String note) {

    static final String FLAG = "--spectra";

    /** What is done unasked: nothing that a user would have to wait long for. */
    static final double UNASKED_FLOPS = 1e12;

    private static final String ALL = "all";
    private static final String NONE = "none";

    /**
     * The layers of a model.
     *
     * @param asked all, none, or layers and ranges of them; null for as many as are done unasked
     * @param model the model
     * @throws IllegalArgumentException if it is something else, or a layer is no MoE layer
     */
    static SpectraChoice of(@Nullable String asked, ModelSpec model) {
        List<Integer> experts = IntStream.range(0, model.numLayers())
                .filter(i -> model.feedForwards().get(i) instanceof MoeSpec)
                .boxed()
                .toList();
        if (asked == null) {
            return quick(experts, model);
        }
        if (asked.equalsIgnoreCase(ALL)) {
            return new SpectraChoice(experts, "");
        }
        if (asked.equalsIgnoreCase(NONE)) {
            return new SpectraChoice(List.of(), "Not computed, as " + FLAG + " none says.");
        }
        SortedSet<Integer> named = new TreeSet<>();
        for (String range : asked.split(",", -1)) {
            named.addAll(range(range.strip(), asked));
        }
        for (int layer : named) {
            if (!experts.contains(layer)) {
                throw new IllegalArgumentException(FLAG + " names layer " + layer + ", but "
                        + (experts.isEmpty()
                                ? "no layer has experts"
                                : "the layers that have experts are "
                                        + experts.stream().map(String::valueOf).collect(Collectors.joining(", "))));
            }
        }
        return new SpectraChoice(
                List.copyOf(named), "Of " + named.size() + " of " + experts.size() + " MoE layers, as asked for.");
    }

    private static List<Integer> range(String range, String asked) {
        String[] ends = range.split("-", -1);
        try {
            int from = Integer.parseInt(ends[0].strip());
            int to = Integer.parseInt(ends[ends.length - 1].strip());
            if (ends.length <= 2 && from <= to && to - from < 100_000) {
                return IntStream.rangeClosed(from, to).boxed().toList();
            }
        } catch (NumberFormatException e) {
            // The message below says what would do.
        }
        throw new IllegalArgumentException(FLAG + " must be all, none, or layers such as 0,5-7, got " + asked);
    }

    /** Layers that lie evenly, as many as the work allows. */
    private static SpectraChoice quick(List<Integer> experts, ModelSpec model) {
        double whole = 0;
        double most = 0;
        for (int layer : experts) {
            double flops = ExpertSpectra.flops((MoeSpec) model.feedForwards().get(layer));
            whole += flops;
            most = Math.max(most, flops);
        }
        if (whole <= UNASKED_FLOPS) {
            return new SpectraChoice(experts, "");
        }
        int count = (int) (UNASKED_FLOPS / most);
        List<Integer> some = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int last = experts.size() - 1;
            some.add(experts.get(count == 1 ? last / 2 : (int) ((long) i * last / (count - 1))));
        }
        return new SpectraChoice(
                some,
                String.format(
                        Locale.ROOT,
                        "%s: all %d MoE layers take %s in double precision, a layer up to %s. Ask for all of them with %s all, or for some with"
                                + " %s %d.",
                        count == 0 ? "Not computed" : "Of " + count + " MoE layers, evenly spread",
                        experts.size(),
                        Unit.FLOP.human(whole),
                        Unit.FLOP.human(most),
                        FLAG,
                        FLAG,
                        experts.get(experts.size() / 2)));
    }
}
