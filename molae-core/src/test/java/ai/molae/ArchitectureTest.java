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
    void usesTheJdkOnly() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("ai.molae..", "java..")
                .allowEmptyShould(true)
                .check(CORE);
    }

    @Test
    void packagesPointDownToSpec() {
        layeredArchitecture()
                .consideringOnlyDependenciesInAnyPackage("ai.molae..")
                .withOptionalLayers(true)
                .layer("internal")
                .definedBy("ai.molae.internal..")
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
                .whereLayer("internal")
                .mayNotAccessAnyLayer()
                .whereLayer("spec")
                .mayOnlyAccessLayers("internal")
                .whereLayer("route")
                .mayOnlyAccessLayers("internal", "spec")
                .whereLayer("reference")
                .mayOnlyAccessLayers("internal", "route", "spec")
                .whereLayer("cost")
                .mayOnlyAccessLayers("internal", "spec")
                .whereLayer("plan")
                .mayOnlyAccessLayers("internal", "cost", "spec")
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
