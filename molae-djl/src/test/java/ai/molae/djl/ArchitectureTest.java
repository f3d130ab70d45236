package ai.molae.djl;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaCall;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaConstructor;
import com.tngtech.archunit.core.domain.JavaStaticInitializer;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The arrows between the packages of molae-djl, as docs/architecture.md draws them. */
class ArchitectureTest {

    /** molae-djl together with the molae-core it is built against. */
    private static final JavaClasses MOLAE = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("ai.molae");

    @Test
    void coreNeverImportsDjl() {
        noClasses()
                .that()
                .resideOutsideOfPackage("ai.molae.djl..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("ai.djl..", "ai.molae.djl..")
                .allowEmptyShould(true)
                .check(MOLAE);
    }

    @Test
    void filesNeedNoDjl() {
        noClasses()
                .that()
                .resideInAnyPackage("ai.molae.djl.safetensors..", "ai.molae.djl.files..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("ai.djl..")
                .check(MOLAE);
    }

    /** The values of others stay in their threads, with native buffers and closed files, long after nobody can ask for them. */
    @Test
    void threadLocalsAreConstants() {
        noClasses()
                .should()
                .callCodeUnitWhere(new DescribedPredicate<>("a ThreadLocal is made outside of a static initialiser") {
                    @Override
                    public boolean test(JavaCall<?> call) {
                        return call.getTargetOwner().isAssignableTo(ThreadLocal.class)
                                && Set.of("withInitial", JavaConstructor.CONSTRUCTOR_NAME)
                                        .contains(call.getName())
                                && !call.getOrigin().getName().equals(JavaStaticInitializer.STATIC_INITIALIZER_NAME);
                    }
                })
                .check(MOLAE);
    }

    @Test
    void packagesPointDownToTorch() {
        layeredArchitecture()
                .consideringOnlyDependenciesInAnyPackage("ai.molae.djl..")
                .withOptionalLayers(true)
                .layer("files")
                .definedBy("ai.molae.djl.files..")
                .layer("torch")
                .definedBy("ai.molae.djl.torch..")
                .layer("chart")
                .definedBy("ai.molae.djl.chart..")
                .layer("data")
                .definedBy("ai.molae.djl.data..")
                .layer("moe")
                .definedBy("ai.molae.djl.moe..")
                .layer("lm")
                .definedBy("ai.molae.djl.lm..")
                .layer("json")
                .definedBy("ai.molae.djl.json..")
                .layer("model")
                .definedBy("ai.molae.djl.model..")
                .layer("train")
                .definedBy("ai.molae.djl.train..")
                .layer("generate")
                .definedBy("ai.molae.djl.generate..")
                .layer("safetensors")
                .definedBy("ai.molae.djl.safetensors..")
                .layer("hf")
                .definedBy("ai.molae.djl.hf..")
                .layer("convert")
                .definedBy("ai.molae.djl.convert..")
                .whereLayer("files")
                .mayNotAccessAnyLayer()
                .whereLayer("torch")
                .mayOnlyAccessLayers("files")
                .whereLayer("chart")
                .mayOnlyAccessLayers("files")
                .whereLayer("data")
                .mayOnlyAccessLayers("torch", "json", "files")
                .whereLayer("moe")
                .mayOnlyAccessLayers("torch", "files")
                .whereLayer("lm")
                .mayOnlyAccessLayers("moe", "torch", "files")
                .whereLayer("json")
                .mayOnlyAccessLayers("files")
                .whereLayer("model")
                .mayOnlyAccessLayers("lm", "moe", "json", "torch", "files")
                .whereLayer("train")
                .mayOnlyAccessLayers(
                        "train", "hf", "safetensors", "json", "chart", "lm", "moe", "data", "torch", "files")
                .whereLayer("generate")
                .mayOnlyAccessLayers("lm", "moe", "data", "torch", "files")
                .whereLayer("safetensors")
                .mayOnlyAccessLayers("files")
                .whereLayer("hf")
                .mayOnlyAccessLayers("safetensors", "json", "lm", "moe", "torch", "files")
                .whereLayer("convert")
                .mayOnlyAccessLayers(
                        "train", "hf", "safetensors", "json", "chart", "lm", "moe", "data", "torch", "files")
                .allowEmptyShould(true)
                .check(MOLAE);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().matching("ai.molae.(**)")
                .should()
                .beFreeOfCycles()
                .allowEmptyShould(true)
                .check(MOLAE);
    }
}
