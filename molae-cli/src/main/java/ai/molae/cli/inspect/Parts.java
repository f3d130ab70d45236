package ai.molae.cli.inspect;

import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import ai.molae.cost.ModelCost;
import ai.molae.cost.ModelPart;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.TensorBinding;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Which part of a model holds how much of the files. */
final class Parts {

    private final Checkpoint checkpoint;
    private final Map<String, TensorInfo> tensors;
    private final Map<ModelPart, List<TensorInfo>> byPart = new EnumMap<>(ModelPart.class);
    private final List<TensorInfo> notLoaded = new ArrayList<>();

    Parts(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
        tensors = checkpoint.tensors().tensors();
        Set<String> used = new HashSet<>();
        for (TensorBinding binding : checkpoint.config().bindings(tensors.keySet())) {
            List<TensorInfo> part =
                    byPart.computeIfAbsent(part(checkpoint.spec(), binding.parameter()), p -> new ArrayList<>());
            for (TensorBinding.Piece piece : binding.pieces()) {
                part.add(Objects.requireNonNull(tensors.get(piece.tensor())));
                used.add(piece.tensor());
            }
        }
        tensors.values().stream()
                .filter(tensor -> !used.contains(tensor.name()))
                .forEach(notLoaded::add);
    }

    /** The part of a parameter, by its canonical path. */
    private static ModelPart part(ModelSpec spec, String parameter) {
        String[] path = parameter.split("\\.", -1);
        if (path.length == 1) {
            return switch (parameter) {
                case "embed_tokens" -> ModelPart.EMBEDDING;
                case "lm_head" -> ModelPart.HEAD;
                default -> ModelPart.NORMS;
            };
        }
        if (path[2].equals("self_attn")) {
            return ModelPart.ATTENTION;
        }
        if (!path[2].equals("mlp")) {
            return ModelPart.NORMS;
        }
        if (!(spec.feedForwards().get(Integer.parseInt(path[1])) instanceof MoeSpec)) {
            return ModelPart.DENSE_FEED_FORWARD;
        }
        if (path[3].equals("router") || path[3].equals("e_score_correction_bias")) {
            return ModelPart.ROUTER;
        }
        return path[3].startsWith("shared_") ? ModelPart.SHARED_EXPERTS : ModelPart.ROUTED_EXPERTS;
    }

    /** Counts, shares, bytes and element types of each part there is, their sum, what a token uses, and what is not loaded. */
    Table table(ModelCost cost) {
        Table.Builder table = Table.of("Parameters", "part", "parameters", "share", "bytes in the files", "types");
        double all = cost.parameters();
        byPart.forEach((part, infos) -> {
            long count = infos.stream().mapToLong(TensorInfo::elements).sum();
            table.row(name(part), Cell.count(count), Cell.share(count / all), Cell.bytes(bytes(infos)), types(infos));
        });
        List<TensorInfo> loaded = byPart.values().stream().flatMap(List::stream).toList();
        long count = loaded.stream().mapToLong(TensorInfo::elements).sum();
        table.row("total", Cell.count(count), Cell.share(1), Cell.bytes(bytes(loaded)), types(loaded));
        table.row(
                "active per token",
                Cell.expectedCount(cost.activeParameters()),
                Cell.share(cost.activeParameters() / all),
                Cell.none(),
                Cell.none());
        List<TensorInfo> unused = notLoaded.stream()
                .filter(tensor -> !checkpoint.tensors().isScale(tensor.name()))
                .toList();
        if (!unused.isEmpty()) {
            long elements = unused.stream().mapToLong(TensorInfo::elements).sum();
            table.row("not loaded", Cell.count(elements), Cell.none(), Cell.bytes(bytes(unused)), types(unused));
        }
        return table.build();
    }

    /** As they stand in the files, scales included. */
    private long bytes(List<TensorInfo> infos) {
        long sum = 0;
        for (TensorInfo info : infos) {
            sum += info.bytes();
            String scale = info.name() + "_scale_inv";
            if (checkpoint.tensors().isScale(scale)) {
                sum += Objects.requireNonNull(tensors.get(scale)).bytes();
            }
        }
        return sum;
    }

    private static Cell types(List<TensorInfo> infos) {
        return Cell.text(infos.stream()
                .map(info -> info.type().safetensorsName())
                .distinct()
                .sorted()
                .collect(Collectors.joining(", ")));
    }

    /** A part in words. */
    static String name(ModelPart part) {
        return part.name().toLowerCase(Locale.ROOT).replace('_', ' ').replace("feed forward", "feed-forward");
    }

    /** The files. */
    static Table files(Checkpoint checkpoint) {
        Table.Builder table = Table.of("Files", "file", "tensors", "bytes", "types");
        Map<String, List<TensorInfo>> byName = new TreeMap<>();
        checkpoint
                .tensors()
                .files()
                .forEach((file, infos) ->
                        byName.put(Objects.requireNonNull(file.getFileName()).toString(), infos));
        byName.forEach((name, infos) -> table.row(
                name,
                Cell.count(infos.size()),
                Cell.bytes(infos.stream().mapToLong(TensorInfo::bytes).sum()),
                types(infos)));
        if (byName.size() > 1) {
            List<TensorInfo> all =
                    byName.values().stream().flatMap(List::stream).toList();
            table.row(
                    "total",
                    Cell.count(all.size()),
                    Cell.bytes(checkpoint.tensors().bytes()),
                    types(all));
        }
        return table.build();
    }
}
