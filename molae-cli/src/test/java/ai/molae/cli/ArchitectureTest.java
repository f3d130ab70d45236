package ai.molae.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** The command line stands on top: it uses the libraries, and they do not know it. */
class ArchitectureTest {

    private static final JavaClasses MOLAE = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("ai.molae");

    @Test
    void librariesDoNotUseTheCommandLine() {
        noClasses()
                .that()
                .resideOutsideOfPackage("ai.molae.cli..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("ai.molae.cli..", "picocli..", "me.tongfei..", "org.knowm..")
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
