package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TokenDocumentsTest {

    /** Document d is ten times the token 10 d and what follows. */
    private static TokenDocuments tens(int documents) {
        return TokenDocuments.of(IntStream.range(0, documents)
                .mapToObj(d ->
                        TokenDocument.of(IntStream.range(10 * d, 10 * d + 10).toArray()))
                .toList());
    }

    private static int[] tokens(TokenDocuments documents) {
        int[] tokens = new int[(int) documents.tokens()];
        documents.copyTokens(0, tokens, 0, tokens.length);
        return tokens;
    }

    @Test
    void knowsWhereDocumentsBegin() {
        TokenDocuments documents = TokenDocuments.of(List.of(TokenDocument.of(7, 8), TokenDocument.of(9)));

        assertThat(documents.documents()).isEqualTo(2);
        assertThat(List.of(documents.start(0), documents.start(1), documents.start(2)))
                .containsExactly(0L, 2L, 3L);
        assertThat(List.of(documents.documentOf(0), documents.documentOf(1), documents.documentOf(2)))
                .containsExactly(0L, 0L, 1L);
        assertThatThrownBy(() -> documents.copyTokens(2, new int[2], 0, 2))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void holdsWholeDocumentsBackAsTheSeedSays() {
        TokenDocuments all = tens(20);
        TokenDocuments.Split split = all.split(0.25, 7);

        assertThat(split.validation().documents()).isEqualTo(5);
        assertThat(split.train().documents()).isEqualTo(15);
        int[] train = tokens(split.train());
        int[] validation = tokens(split.validation());
        assertThat(IntStream.concat(Arrays.stream(train), Arrays.stream(validation))
                        .sorted())
                .containsExactlyElementsOf(IntStream.range(0, 200).boxed().toList());
        assertThat(train).isSorted();
        assertThat(validation).isSorted();
        for (long d = 0; d < 5; d++) {
            assertThat(validation[(int) split.validation().start(d)] % 10).isZero();
        }
        assertThat(tokens(all.split(0.25, 7).validation())).isEqualTo(validation);
        assertThat(tokens(all.split(0.25, 8).validation())).isNotEqualTo(validation);
    }

    @Test
    void readsAcrossTheDocumentsThatAreLeft() {
        TokenDocuments train = tens(20).split(0.25, 7).train();
        int[] whole = tokens(train);

        int[] piece = new int[30];
        train.copyTokens(13, piece, 2, 27);

        assertThat(Arrays.copyOfRange(piece, 2, 29)).isEqualTo(Arrays.copyOfRange(whole, 13, 40));
        assertThat(train.documentOf(13)).isEqualTo(1);
    }

    @Test
    void cutsASingleDocument() {
        TokenDocuments.Split split = tens(1).split(0.2, 1);

        assertThat(tokens(split.train())).containsExactly(0, 1, 2, 3, 4, 5, 6, 7);
        assertThat(tokens(split.validation())).containsExactly(8, 9);
        assertThat(tens(1).split(0.99, 1).train().tokens()).isEqualTo(1);
    }

    @Test
    void partsOfASplitHaveFingerprintsOfTheirOwn() {
        List<String> fingerprints = new ArrayList<>();
        TokenDocuments all = tens(20);
        fingerprints.add(all.fingerprint());
        for (TokenDocuments.Split split : List.of(all.split(0.25, 7), all.split(0.25, 8), all.split(0.3, 7))) {
            fingerprints.add(split.train().fingerprint());
            fingerprints.add(split.validation().fingerprint());
        }

        assertThat(fingerprints).doesNotHaveDuplicates();
        assertThat(tens(20).split(0.25, 7).train().fingerprint()).isEqualTo(fingerprints.get(1));
    }

    @Test
    void theFingerprintTellsBordersAndMasks() {
        String one = TokenDocuments.of(List.of(TokenDocument.of(1, 2, 3))).fingerprint();
        String two = TokenDocuments.of(List.of(TokenDocument.of(1), TokenDocument.of(2, 3)))
                .fingerprint();
        String masked = TokenDocuments.of(
                        List.of(new TokenDocument(new int[] {1, 2, 3}, new boolean[] {false, true, true}, 0)))
                .fingerprint();
        String allTrained = TokenDocuments.of(
                        List.of(new TokenDocument(new int[] {1, 2, 3}, new boolean[] {true, true, true}, 9)))
                .fingerprint();

        assertThat(List.of(one, two, masked)).doesNotHaveDuplicates();
        assertThat(allTrained).isEqualTo(one);
    }

    @Test
    void refusesWhatIsNoDocument() {
        assertThatThrownBy(TokenDocument::of).hasMessageContaining("at least one token");
        assertThatThrownBy(() -> TokenDocument.of(3, -1)).hasMessageContaining("token -1 at position 1");
        assertThatThrownBy(() -> new TokenDocument(new int[2], new boolean[3], 0))
                .hasMessageContaining("2 tokens has 3 flags");
        assertThatThrownBy(() -> TokenDocuments.of(List.of())).hasMessageContaining("no document");
        assertThatThrownBy(() -> tens(2).split(1, 1)).hasMessageContaining("1.0");
    }
}
