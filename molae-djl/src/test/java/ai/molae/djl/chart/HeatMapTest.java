package ai.molae.djl.chart;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Base64;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Images are read back by the JDK. */
class HeatMapTest {

    private static final int NOTHING = 0;
    private static final int BLUE = 0xff1f6fd6;
    private static final int ORANGE = 0xffe86a10;

    private static BufferedImage read(String url) throws IOException {
        assertThat(url).startsWith("data:image/png;base64,");
        return ImageIO.read(new ByteArrayInputStream(Base64.getDecoder().decode(url.substring(url.indexOf(',') + 1))));
    }

    /** 24 shades up and down, two octaves each. */
    @ParameterizedTest
    @CsvSource({"10, 24", "20, 36", "40, 48", "400, 48", "5, 12", "0, 0", "1, 0"})
    void theColourIsTheLogarithmOfTheShare(long tokens, int colour) {
        assertThat(HeatMap.colour(tokens, 10)).isEqualTo(colour);
    }

    @Test
    void aLayerWithoutTokensHasNoColour() {
        assertThat(HeatMap.colour(0, 0)).isEqualTo(24);
    }

    @Test
    void aColumnIsALoadAndARowAnExpert() throws IOException {
        BufferedImage image = read(HeatMap.image(List.of(new long[] {8, 0, 0, 0}, new long[] {2, 2, 2, 2}), false));

        assertThat(image.getWidth()).isEqualTo(2);
        assertThat(image.getHeight()).isEqualTo(4);
        assertThat(image.getRGB(0, 0)).isEqualTo(ORANGE);
        assertThat(image.getRGB(0, 3)).isEqualTo(BLUE);
        assertThat(image.getRGB(1, 2) >>> 24).as("opacity of the even share").isEqualTo(NOTHING);
    }

    @Test
    void transposedARowIsALoadAndMissingExpertsHaveNoColour() throws IOException {
        BufferedImage image = read(HeatMap.image(List.of(new long[] {8, 0, 0, 0}, new long[] {0, 4}), true));

        assertThat(image.getWidth()).isEqualTo(4);
        assertThat(image.getHeight()).isEqualTo(2);
        assertThat(image.getRGB(0, 0)).isEqualTo(ORANGE);
        assertThat(image.getRGB(0, 1)).isEqualTo(BLUE);
        assertThat(image.getRGB(3, 1) >>> 24).isEqualTo(NOTHING);
    }

    @Test
    void theScaleGoesFromBlueToOrange() throws IOException {
        BufferedImage scale = read(HeatMap.scale());

        assertThat(scale.getRGB(0, 0)).isEqualTo(BLUE);
        assertThat(scale.getRGB(24, 0) >>> 24).isEqualTo(NOTHING);
        assertThat(scale.getRGB(48, 0)).isEqualTo(ORANGE);
    }
}
