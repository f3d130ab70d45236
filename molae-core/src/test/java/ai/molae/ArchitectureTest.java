package ai.molae;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** The arrows between the packages of molae-core, as docs/architecture.md draws them. */
class ArchitectureTest {

    private static final JavaClasses CORE = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("ai.molae");

    @Test
    void usesTheJdkAndSlf4jOnly() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("ai.molae..", "java..", "org.slf4j..")
                .allowEmptyShould(true)
                .check(CORE);
    }

    @Test
    void packagesPointDownToSpec() {
        layeredArchitecture()
                .consideringOnlyDependenciesInAnyPackage("ai.molae..")
                .withOptionalLayers(true)
                .layer("spec")
                .definedBy("ai.molae.spec..")
                .layer("route")
                .definedBy("ai.molae.route..")
                .layer("reference")
                .definedBy("ai.molae.reference..")
                .layer("cost")
                .definedBy("ai.molae.cost..")
                .layer("plan")
                .definedBy("ai.molae.plan..")
                .whereLayer("spec")
                .mayNotAccessAnyLayer()
                .whereLayer("route")
                .mayOnlyAccessLayers("spec")
                .whereLayer("reference")
                .mayOnlyAccessLayers("route", "spec")
                .whereLayer("cost")
                .mayOnlyAccessLayers("spec")
                .whereLayer("plan")
                .mayOnlyAccessLayers("cost", "spec")
                .allowEmptyShould(true)
                .check(CORE);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().matching("ai.molae.(**)")
                .should()
                .beFreeOfCycles()
                .allowEmptyShould(true)
                .check(CORE);
    }
}
