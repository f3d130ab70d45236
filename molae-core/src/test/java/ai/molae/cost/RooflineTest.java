package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class RooflineTest {

    /** 400 GFLOP/s and 20 GB/s: the ceilings meet at 20 FLOPs per byte. */
    private static final Roofline MACHINE = new Roofline(400e9, 20e9);

    @Test
    void manyFlopsPerByteAreHeldByTheArithmetic() {
        assertThat(MACHINE.seconds(800e9, 10e9)).isEqualTo(2);
        assertThat(MACHINE.bound(800e9, 10e9)).isEqualTo(Roofline.Bound.COMPUTE);
    }

    @Test
    void fewFlopsPerByteAreHeldByTheMemory() {
        assertThat(MACHINE.seconds(40e9, 10e9)).isEqualTo(0.5);
        assertThat(MACHINE.bound(40e9, 10e9)).isEqualTo(Roofline.Bound.MEMORY);
    }

    @Test
    void theCeilingsMeetAtTheRidge() {
        assertThat(MACHINE.ridge()).isEqualTo(20);
        assertThat(Roofline.arithmeticIntensity(200e9, 10e9)).isEqualTo(20);
        assertThat(MACHINE.bound(200e9, 10e9)).isEqualTo(Roofline.Bound.COMPUTE);
        assertThat(MACHINE.seconds(0, 0)).isZero();
    }

    @Test
    void ceilingsAndAmountsMustMakeSense() {
        assertThatThrownBy(() -> new Roofline(0, 1)).hasMessageContaining("peakFlopsPerSecond");
        assertThatThrownBy(() -> new Roofline(1, Double.NaN)).hasMessageContaining("bytesPerSecond");
        assertThatThrownBy(() -> MACHINE.seconds(-1, 0)).hasMessageContaining("flops");
        assertThatThrownBy(() -> MACHINE.bound(0, -1)).hasMessageContaining("bytes");
        assertThatThrownBy(() -> Roofline.arithmeticIntensity(1, 0)).hasMessageContaining("bytes");
    }
}
