package ai.molae.cli.inspect;

import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import ai.molae.cost.ActivationPolicy;
import ai.molae.cost.DecodeBytes;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** What a model costs, by arithmetic. */
final class Costs {

    static final List<ElementType> TYPES = List.of(ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.INT8);

    private final ModelCost cost;
    private final long context;
    private final long batch;

    /** For so many positions in each sequence, and so many sequences. */
    Costs(ModelCost cost, long context, long batch) {
        this.cost = cost;
        this.context = context;
        this.batch = batch;
    }

    Table computation() {
        Table.Builder table = Table.of("Computation per token", "work", "FLOPs");
        table.row("forward, attending " + context + " positions", Cell.flops(cost.forwardFlops(context)));
        cost.forwardFlopsByPart(context).forEach((part, flops) -> {
            if (flops > 0) {
                table.row("  " + Parts.name(part), Cell.flops(flops));
            }
        });
        return table.row("training, sequences of " + context, Cell.flops(cost.trainingFlops(context)))
                .build();
    }

    Table memory() {
        Table.Builder table = Table.of("Memory", "bytes", "float32", "bfloat16", "int8");
        row(table, "weights", type -> Cell.bytes(cost.weightBytes(type)));
        row(table, "key/value cache per token", type -> Cell.bytes(cost.kvCacheBytesPerToken(cache(type))));
        row(
                table,
                "decoding step, weights read",
                type -> Cell.expectedBytes(decode(type).weights()));
        row(
                table,
                "decoding step, cache read",
                type -> Cell.expectedBytes(decode(type).cache()));
        row(table, "training step", type -> type.differentiable() ? Cell.expectedBytes(training(type)) : Cell.none());
        return table.build();
    }

    private static void row(Table.Builder table, String name, Function<ElementType, Cell> cell) {
        table.row(name, TYPES.stream().map(cell).toArray(Cell[]::new));
    }

    /** Weights may be int8, the cache is not. */
    static ElementType cache(ElementType weights) {
        return weights == ElementType.INT8 ? ElementType.BFLOAT16 : weights;
    }

    private DecodeBytes decode(ElementType type) {
        return cost.decodeBytes(type, cache(type), batch, context);
    }

    private double training(ElementType type) {
        return cost.trainingBytes(type, type, batch, context, ActivationPolicy.KEEP_GATHERED)
                .total();
    }

    List<String> notes() {
        return List.of(String.format(
                Locale.ROOT,
                "A decoding step makes a token for each of %,d sequences of %,d positions; a training step reads %,d x %,d tokens with AdamW.%n"
                        + "int8 is with a bfloat16 cache. molae itself holds the cache, and in training the weights, in float32.",
                batch,
                context,
                batch,
                context));
    }
}
