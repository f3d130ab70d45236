import ai.molae.cost.CostModel;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;

/** What a layer costs, for which nothing of DJL is needed. */
public class CoreOnlyMain {

    public static void main(String[] args) {
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(512)
                .setIntermediateSize(256)
                .setNumExperts(32)
                .setTopK(4)
                .build();
        MoeSpec molae = moe.withLatent(
                LatentSpec.builder().setLatentSize(256).setGroupSize(32).build());
        System.out.println("parameters " + CostModel.layer(moe).parameters() + " "
                + CostModel.layer(molae).parameters());
    }
}
