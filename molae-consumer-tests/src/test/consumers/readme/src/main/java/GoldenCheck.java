import ai.djl.ndarray.NDManager;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.torch.Precision;
import java.nio.file.Path;
import java.util.Arrays;

/** Continues tokens with the checkpoint that README's example loads. */
public class GoldenCheck {

    /** Prints the continuation of the prompt that the arguments are. */
    public static void main(String[] args) throws Exception {
        int[] prompt = Arrays.stream(args).mapToInt(Integer::parseInt).toArray();
        try (NDManager manager = NDManager.newBaseManager();
                Checkpoint checkpoint = Checkpoint.open(Path.of("OLMoE-1B-7B"))) {
            Generator generator = new Generator(checkpoint.load(manager, Precision.FLOAT32));
            System.out.println("greedy " + Arrays.toString(generator.generate(prompt, Sampling.greedy(8))));
        }
    }
}
