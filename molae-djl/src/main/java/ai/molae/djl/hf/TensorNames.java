package ai.molae.djl.hf;

import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.djl.safetensors.TensorType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** Strict accounting: every tensor of a checkpoint is used exactly once, every parameter filled exactly once. */
final class TensorNames {

    private static final int MOST_SHOWN = 20;

    private TensorNames() {}

    /**
     * Compares what a model wants with what there is.
     *
     * @param folder the checkpoint, for the message
     * @param bindings what the model wants
     * @param tensors what there is
     * @param quantised whether matrices of 8-bit floats need factors
     * @param ignored tensors that may be there unused
     * @throws IllegalArgumentException that lists everything that is wrong
     */
    static void check(
            Path folder,
            List<TensorBinding> bindings,
            SafetensorsFolder tensors,
            boolean quantised,
            Predicate<String> ignored) {
        Map<String, Piece> wanted = new LinkedHashMap<>();
        for (TensorBinding binding : bindings) {
            long next = 0;
            for (Piece piece : binding.pieces()) {
                if (piece.firstElement() != next || wanted.put(piece.tensor(), piece) != null) {
                    throw new IllegalStateException(
                            "tensor " + piece.tensor() + " does not continue " + binding.parameter() + " at " + next);
                }
                next += piece.size();
            }
        }
        List<String> missing = new ArrayList<>();
        List<String> misshaped = new ArrayList<>();
        List<String> mistyped = new ArrayList<>();
        wanted.forEach((name, piece) -> {
            TensorInfo info = tensors.tensors().get(name);
            if (info == null) {
                missing.add(name + " " + piece.shape());
            } else if (!info.shape().equals(piece.shape())) {
                misshaped.add(name + " is " + info.shape() + ", the config says " + piece.shape());
            } else if (!isWeight(info.type(), quantised)) {
                mistyped.add(name + " is " + info.type());
            } else if (info.type() == TensorType.F8_E4M3 && quantised) {
                String scale = SafetensorsFolder.scaleName(name);
                if (!tensors.tensors().containsKey(scale)) {
                    missing.add(scale + " of the 8-bit floats of " + name + " " + info.shape());
                }
            }
        });
        List<String> unexpected = tensors.tensors().keySet().stream()
                .filter(name -> !wanted.containsKey(name) && !tensors.isScale(name) && !ignored.test(name))
                .toList();
        if (missing.isEmpty() && misshaped.isEmpty() && mistyped.isEmpty() && unexpected.isEmpty()) {
            return;
        }
        StringBuilder message =
                new StringBuilder(folder + ": the tensors are not those of the model that config.json describes.");
        append(message, "missing", missing);
        append(message, "unexpected", unexpected);
        append(message, "misshaped", misshaped);
        append(message, "of a type that weights do not have", mistyped);
        throw new IllegalArgumentException(message.toString());
    }

    /** Whether numbers of a type are weights as they stand; 8-bit floats are with the factors that a config announces. */
    private static boolean isWeight(TensorType type, boolean quantised) {
        return switch (type) {
            case F64, F32, F16, BF16 -> true;
            case F8_E4M3 -> quantised;
            case I64, I32, I8, U8, BOOL -> false;
        };
    }

    private static void append(StringBuilder message, String what, List<String> names) {
        if (names.isEmpty()) {
            return;
        }
        message.append("\n  ").append(names.size()).append(' ').append(what).append(": ");
        message.append(String.join("; ", names.subList(0, Math.min(MOST_SHOWN, names.size()))));
        if (names.size() > MOST_SHOWN) {
            message.append("; and ").append(names.size() - MOST_SHOWN).append(" more");
        }
    }
}
