package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import org.junit.jupiter.api.Test;

class NoGradTest {

    @Test
    void switchesAutogradOffAndRestoresWhatItFound() {
        assertThat(Engine.getInstance()).isNotNull();
        boolean before = JniUtils.isGradMode();
        try {
            for (boolean mode : new boolean[] {true, false}) {
                JniUtils.setGradMode(mode);
                try (NoGrad outer = new NoGrad()) {
                    assertThat(JniUtils.isGradMode()).isFalse();
                    try (NoGrad inner = new NoGrad()) {
                        assertThat(JniUtils.isGradMode()).isFalse();
                    }
                    assertThat(JniUtils.isGradMode()).isFalse();
                }
                assertThat(JniUtils.isGradMode()).isEqualTo(mode);
            }
        } finally {
            JniUtils.setGradMode(before);
        }
    }
}
