package ai.molae.djl.safetensors;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Which tensors go into which file.
 *
 * @param shards in order; exactly one if there is no index
 */
record ShardPlan(List<Shard> shards) {

    /**
     * A file.
     *
     * @param fileName its name
     * @param tensors in order
     */
    record Shard(String fileName, List<TensorSpec> tensors) {
        long bytes() {
            return tensors.stream().mapToLong(TensorSpec::bytes).sum();
        }
    }

    /**
     * Fills shards in the order of the tensors: a new one begins when the next tensor does not fit, so a tensor larger than a shard has
     * one of its own.
     *
     * @param maxShardBytes of data, headers not counted; 0 for one file
     */
    static ShardPlan of(List<TensorSpec> tensors, long maxShardBytes) {
        List<List<TensorSpec>> groups = new ArrayList<>();
        groups.add(new ArrayList<>());
        long filled = 0;
        for (TensorSpec tensor : tensors) {
            List<TensorSpec> last = groups.get(groups.size() - 1);
            if (maxShardBytes > 0 && !last.isEmpty() && tensor.bytes() > maxShardBytes - filled) {
                last = new ArrayList<>();
                groups.add(last);
                filled = 0;
            }
            last.add(tensor);
            filled += tensor.bytes();
        }
        if (groups.size() == 1) {
            return new ShardPlan(List.of(new Shard(Shards.SINGLE_FILE, groups.get(0))));
        }
        List<Shard> shards = new ArrayList<>();
        for (List<TensorSpec> group : groups) {
            String name = String.format(
                    Locale.ROOT, "model-%05d-of-%05d%s", shards.size() + 1, groups.size(), ShardIndex.SUFFIX);
            shards.add(new Shard(name, group));
        }
        return new ShardPlan(Collections.unmodifiableList(shards));
    }

    boolean hasIndex() {
        return shards.size() > 1;
    }

    /** The size of all data, headers not counted. */
    long bytes() {
        return shards.stream().mapToLong(Shard::bytes).sum();
    }

    /** The text of the index. */
    String index() {
        Map<String, String> fileOf = new LinkedHashMap<>();
        for (Shard shard : shards) {
            shard.tensors().forEach(tensor -> fileOf.put(tensor.name(), shard.fileName()));
        }
        return ShardIndex.text(bytes(), fileOf);
    }
}
