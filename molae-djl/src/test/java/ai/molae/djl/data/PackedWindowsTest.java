package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PackedWindowsTest {

    private static final long I = TokenBatch.IGNORED;

    /** Token i is i, so that a window shows where it was cut. */
    private final int[] tokens = IntStream.range(0, 42).toArray();
    /** Three documents: 1 2 3 | 4 5 | 6 7 8 9. */
    private final TokenDocuments three =
            TokenDocuments.of(List.of(TokenDocument.of(1, 2, 3), TokenDocument.of(4, 5), TokenDocument.of(6, 7, 8, 9)));

    private static PackedWindows pack(TokenDocuments documents, int sequenceLength, Packing packing) {
        return PackedWindows.builder()
                .setDocuments(documents)
                .setSequenceLength(sequenceLength)
                .optPacking(packing)
                .optSeed(1)
                .build();
    }

    private static TokenBatch all(PackedWindows windows) {
        return windows.inOrder(0, (int) windows.size());
    }

    @Test
    void labelsAreTheInputsOneTokenFurther() {
        TokenBatch batch = new PackedWindows(tokens, 4, 1).inOrder(1, 2);

        assertThat(batch.sequences()).isEqualTo(2);
        assertThat(batch.inputs()).containsExactly(4, 5, 6, 7, 8, 9, 10, 11);
        assertThat(batch.labels()).containsExactly(5, 6, 7, 8, 9, 10, 11, 12);
        assertThat(batch.documents()).isEmpty();
    }

    @Test
    void theLastBatchInOrderIsSmaller() {
        PackedWindows windows = new PackedWindows(tokens, 4, 1);

        assertThat(windows.inOrder(8, 4).sequences()).isEqualTo(2);
        assertThatThrownBy(() -> windows.inOrder(10, 4)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void aStreamRunsAcrossDocuments() {
        TokenBatch batch = all(pack(three, 4, Packing.STREAM));

        assertThat(batch.inputs()).containsExactly(1, 2, 3, 4, 5, 6, 7, 8);
        assertThat(batch.labels()).containsExactly(2, 3, 4, 5, 6, 7, 8, 9);
        assertThat(batch.documents()).isEmpty();
    }

    @Test
    void insideDocumentsTheLastTokenOfOneHasNoLabel() {
        TokenBatch batch = all(pack(three, 4, Packing.STREAM_INSIDE_DOCUMENTS));

        assertThat(batch.inputs()).containsExactly(1, 2, 3, 4, 5, 6, 7, 8);
        assertThat(batch.labels()).containsExactly(2, 3, I, 5, I, 7, 8, 9);
        assertThat(batch.documents()).containsExactly(1, 1, 1, 2, 1, 2, 2, 2);
    }

    @Test
    void wholeDocumentsShareTheFullestWindowWithRoomForThem() {
        // Inputs: 2 of the first document into window 0, 1 of the second beside them, 3 of the third into window 1.
        TokenBatch batch = all(pack(three, 4, Packing.WHOLE_DOCUMENTS));

        assertThat(batch.inputs()).containsExactly(1, 2, 4, 0, 6, 7, 8, 0);
        assertThat(batch.labels()).containsExactly(2, 3, 5, I, 7, 8, 9, I);
        assertThat(batch.documents()).containsExactly(1, 1, 2, 0, 1, 1, 1, 0);
        assertThat(batch.tokens()).isEqualTo(6);
        assertThat(batch.labelled()).isEqualTo(6);
    }

    @Test
    void aDocumentLongerThanAWindowIsCutAndItsRestSharesOne() {
        TokenDocuments documents = TokenDocuments.of(
                List.of(TokenDocument.of(1, 2), TokenDocument.of(11, 12, 13, 14, 15, 16), TokenDocument.of(21)));

        TokenBatch batch = all(pack(documents, 3, Packing.WHOLE_DOCUMENTS));

        // 11 to 16 has 5 inputs: 3 and 2. The document of one token has none.
        assertThat(batch.inputs()).containsExactly(1, 14, 15, 11, 12, 13);
        assertThat(batch.labels()).containsExactly(2, 15, 16, 12, 13, 14);
        assertThat(batch.documents()).containsExactly(1, 2, 2, 1, 1, 1);
    }

    @ParameterizedTest
    @EnumSource(Packing.class)
    void labelsAreOnlyTokensThatAreTrainedOn(Packing packing) {
        TokenDocument chat =
                new TokenDocument(new int[] {1, 2, 3, 4, 5}, new boolean[] {false, false, true, true, false}, 0);
        PackedWindows windows = pack(TokenDocuments.of(List.of(chat)), 4, packing);

        assertThat(windows.size()).isEqualTo(1);
        assertThat(all(windows).inputs()).containsExactly(1, 2, 3, 4);
        assertThat(all(windows).labels()).containsExactly(I, 3, 4, I);
    }

    @Test
    void piecesOfWhichNothingIsTrainedOnAreLeftOut() {
        boolean[] trained = {false, false, false, false, true};
        TokenDocuments documents = TokenDocuments.of(List.of(new TokenDocument(new int[] {1, 2, 3, 4, 5}, trained, 0)));

        TokenBatch batch = all(pack(documents, 2, Packing.WHOLE_DOCUMENTS));

        assertThat(batch.inputs()).containsExactly(3, 4);
        assertThat(batch.labels()).containsExactly(I, 5);
    }

    @Test
    void ofRandomDocumentsEveryTokenButTheFirstIsALabelOnce() {
        Random random = new Random(4);
        List<TokenDocument> documents = new ArrayList<>();
        List<Long> expected = new ArrayList<>();
        int next = 1;
        for (int i = 0; i < 200; i++) {
            int[] document =
                    IntStream.range(next, next + 1 + random.nextInt(40)).toArray();
            next += document.length;
            documents.add(TokenDocument.of(document));
            Arrays.stream(document).skip(1).asLongStream().forEach(expected::add);
        }

        TokenBatch batch = all(pack(TokenDocuments.of(documents), 16, Packing.WHOLE_DOCUMENTS));

        List<Long> labels = new ArrayList<>();
        for (int i = 0; i < batch.labels().length; i++) {
            if (batch.labels()[i] != I) {
                assertThat(batch.labels()[i]).isEqualTo(batch.inputs()[i] + 1);
                labels.add(batch.labels()[i]);
            }
            assertThat(batch.documents()[i] == 0).isEqualTo(batch.labels()[i] == I);
        }
        assertThat(labels).containsExactlyInAnyOrderElementsOf(expected);
        // Little padding: the windows are as good as full.
        assertThat(batch.sequences()).isLessThan((int) Math.ceil(1.05 * expected.size() / 16));
    }

    @Test
    void visitsEveryWindowOnceAnEpoch() {
        PackedWindows windows = new PackedWindows(tokens, 4, 1);
        assertThat(windows.size()).isEqualTo(10);

        List<Long> firstTokens = new ArrayList<>();
        for (int position = 0; position < 10; position += 2) {
            long[] inputs = windows.shuffled(position, 2).inputs();
            firstTokens.add(inputs[0]);
            firstTokens.add(inputs[4]);
        }

        assertThat(firstTokens).containsExactlyInAnyOrder(0L, 4L, 8L, 12L, 16L, 20L, 24L, 28L, 32L, 36L);
        assertThat(firstTokens).isNotEqualTo(firstTokens.stream().sorted().toList());
    }

    @Test
    void aBatchDependsOnItsPositionAndTheSeedAlone() {
        PackedWindows windows = new PackedWindows(tokens, 4, 1);
        long[] late = windows.shuffled(21, 3).inputs();
        windows.shuffled(0, 3);

        assertThat(windows.shuffled(21, 3).inputs()).isEqualTo(late);
        assertThat(new PackedWindows(tokens, 4, 1).shuffled(21, 3).inputs()).isEqualTo(late);
        assertThat(new PackedWindows(tokens, 4, 2).shuffled(21, 3).inputs()).isNotEqualTo(late);
    }

    @Test
    void aBatchAcrossTheEndOfAnEpochIsTheEndOfOneAndTheBeginOfTheNext() {
        PackedWindows windows = new PackedWindows(tokens, 4, 1);

        assertThat(windows.shuffled(8, 4).inputs())
                .startsWith(windows.shuffled(8, 2).inputs())
                .endsWith(windows.shuffled(10, 2).inputs());
        assertThat(windows.shuffled(0, 10).inputs())
                .isNotEqualTo(windows.shuffled(10, 10).inputs());
    }

    @Test
    void theFingerprintTellsDataPackingLengthAndSeed() {
        List<String> fingerprints = new ArrayList<>();
        for (int length : new int[] {2, 4}) {
            for (Packing packing : Packing.values()) {
                fingerprints.add(pack(three, length, packing).fingerprint());
            }
        }
        fingerprints.add(PackedWindows.builder()
                .setDocuments(three)
                .setSequenceLength(4)
                .optSeed(2)
                .build()
                .fingerprint());
        fingerprints.add(pack(TokenDocuments.of(List.of(TokenDocument.of(1, 2, 3, 4, 5))), 4, Packing.STREAM)
                .fingerprint());

        assertThat(fingerprints).doesNotHaveDuplicates();
        assertThat(pack(three, 4, Packing.STREAM).fingerprint()).isEqualTo(fingerprints.get(3));
    }

    @Test
    void refusesATextShorterThanAWindow() {
        assertThatThrownBy(() -> new PackedWindows(new int[4], 4, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("needs 5 tokens, the text has 4");
        assertThat(new PackedWindows(new int[5], 4, 1).size()).isEqualTo(1);
        assertThatThrownBy(() -> pack(TokenDocuments.of(List.of(TokenDocument.of(1))), 4, Packing.WHOLE_DOCUMENTS))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("none of the 1 documents");
    }
}
