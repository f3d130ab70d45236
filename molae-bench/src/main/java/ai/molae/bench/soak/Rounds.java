package ai.molae.bench.soak;

import ai.molae.bench.soak.InferenceWork.Loading;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.AdamWSpec;
import ai.molae.djl.train.MuonSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * All kinds of work, over and over. Rounds take turns with a few seeds, and each kind of work must give what it gave in the first round of its seed.
 *
 * <p>Not thread-safe.
 */
final class Rounds {

    /** So many seeds take turns. */
    static final int SEEDS = 2;

    private final long seed;
    private final Map<String, Work> works;
    private final Map<String, String> first = new HashMap<>();
    private long done;

    /**
     * No round yet.
     *
     * @param seed of the first round
     * @param works by name
     */
    Rounds(long seed, Map<String, Work> works) {
        this.seed = seed;
        this.works = new LinkedHashMap<>(works);
    }

    /**
     * Everything that the library does. Writes the checkpoints that the work begins with.
     *
     * @param folder for them and for what the work writes
     * @param seed of the first round
     * @param threads how many generate at once
     * @throws IOException if writing fails
     */
    static Rounds of(Path folder, long seed, int threads) throws IOException {
        Map<String, Work> works = new LinkedHashMap<>();
        Path moe = SmallModels.save(folder.resolve("moe"), SmallModels.MOE, seed);
        Path molae = SmallModels.save(folder.resolve("molae"), SmallModels.MOLAE, seed);
        AdamWSpec adamW = AdamWSpec.builder().build();
        MuonSpec muon = MuonSpec.builder().build();
        Path run = folder.resolve("run");
        works.put(
                "training in float32 with AdamW", TrainingWork.resumed(run, SmallModels.MOE, Precision.FLOAT32, adamW));
        works.put(
                "training in bfloat16 with AdamW",
                TrainingWork.resumed(run, SmallModels.MOLAE, Precision.BFLOAT16, adamW));
        works.put(
                "training in float32 with Muon", TrainingWork.resumed(run, SmallModels.MOLAE, Precision.FLOAT32, muon));
        works.put(
                "training in bfloat16 with Muon", TrainingWork.resumed(run, SmallModels.MOE, Precision.BFLOAT16, muon));
        works.put("training of adapters", TrainingWork.adapters());
        for (Loading loading : Loading.values()) {
            works.put("generation, " + loading, InferenceWork.generation(molae, loading));
        }
        works.put("conversion without text", ConversionWork.dataFree(moe, folder.resolve("converted")));
        works.put("conversion with a calibration", ConversionWork.calibrated(moe, folder.resolve("converted")));
        for (Precision precision : Precision.trainable()) {
            works.put("layer on the tape, " + precision, LayerWork.tape(precision));
            works.put("layer on DJL's collector, " + precision, LayerWork.djl(precision));
        }
        for (Loading loading : new Loading[] {Loading.FLOAT32, Loading.PACKED_BFLOAT16}) {
            works.put(threads + " generations at once, " + loading, InferenceWork.concurrent(molae, loading, threads));
        }
        return new Rounds(seed, works);
    }

    /**
     * Does each kind of work once.
     *
     * @throws DifferentResultException if one of them gives another result than in the first round of its seed
     * @throws IOException if a file cannot be read or written
     * @throws InterruptedException if the thread is interrupted
     */
    void next() throws IOException, InterruptedException {
        long turn = done % SEEDS;
        for (Map.Entry<String, Work> work : works.entrySet()) {
            String result = work.getValue().run(seed + turn);
            String before = first.putIfAbsent(work.getKey() + " " + turn, result);
            if (before != null && !before.equals(result)) {
                throw new DifferentResultException("round " + (done + 1) + ", " + work.getKey() + ", seed "
                        + (seed + turn) + " gave\n" + result + "\nwhere it gave before\n" + before);
            }
        }
        done++;
    }

    /** How many rounds are done. */
    long done() {
        return done;
    }
}
