package ai.molae.djl;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Model;
import ai.djl.repository.zoo.Criteria;
import ai.molae.djl.safetensors.SafetensorsException;
import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.djl.torch.TorchOps;
import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.io.InputStream;
import java.io.ObjectInputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of strangers are data only: nothing in them is run, opens a connection, or leads out of its folder. See SECURITY.md. */
class StrangersFilesTest {

    private static final JavaClasses MOLAE = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("ai.molae");

    @TempDir
    private Path folder;

    @Test
    void noObjectsClassesOrScriptsAreReadOutOfFiles() {
        check(noClasses()
                .should()
                .dependOnClassesThat()
                .areAssignableTo(ObjectInputStream.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(URLClassLoader.class)
                .orShould()
                .dependOnClassesThat()
                .resideInAnyPackage("javax.script..", "javax.tools..", "java.rmi..", "java.beans..", "javax.naming..")
                .orShould()
                .callMethod(Class.class, "forName", String.class)
                .orShould()
                .callMethod(Class.class, "forName", String.class, boolean.class, ClassLoader.class)
                .orShould()
                .callMethod(ClassLoader.class, "loadClass", String.class)
                .orShould()
                .callMethod(Runtime.class, "exec", String.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(ProcessBuilder.class));
    }

    @Test
    void noConnectionIsOpened() {
        check(noClasses()
                .should()
                .dependOnClassesThat(DescribedPredicate.describe(
                        "are of the network",
                        (JavaClass type) -> type.getPackageName().startsWith("java.net.http")
                                || (type.getPackageName().equals("java.net")
                                        && type.getSimpleName().matches(".*(Socket|Connection|Channel).*"))))
                .orShould()
                .callMethod(URL.class, "openStream")
                .orShould()
                .callMethod(URL.class, "openConnection"));
    }

    /** libtorch's archives hold code. The only ones that are loaded are made of this jar's own resources. */
    @Test
    void djlsLoadersReadOwnResourcesOnly() {
        check(noClasses()
                .that()
                .doNotBelongToAnyOf(TorchOps.class)
                .should()
                .callMethod(Model.class, "load", InputStream.class)
                .orShould()
                .callMethod(Model.class, "load", Path.class)
                .orShould()
                .callMethod(Model.class, "load", Path.class, String.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(Criteria.class));
    }

    private static void check(ArchRule rule) {
        rule.check(MOLAE);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../model.safetensors",
                "/etc/model.safetensors",
                "a/model.safetensors",
                "..\\\\model.safetensors",
                "C:model.safetensors",
                "\\u0000.safetensors",
                "shards.json"
            })
    void aShardOutsideOfTheFolderIsRefused(String name) throws IOException {
        Files.writeString(
                folder.resolve("model.safetensors.index.json"), "{\"weight_map\": {\"a\": \"" + name + "\"}}");
        assertThatThrownBy(() -> SafetensorsFolder.open(folder))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContaining("model.safetensors.index.json")
                .hasMessageContaining("a shard is a .safetensors file beside the index");
    }
}
