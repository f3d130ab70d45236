package ai.molae.djl.data;

/** Windows cut anywhere: S inputs, of which the last one's label is the next window's first input. */
final class StreamWindows implements WindowLayout {

    private final TokenDocuments documents;
    private final int sequenceLength;
    private final boolean insideDocuments;

    StreamWindows(TokenDocuments documents, int sequenceLength, boolean insideDocuments) {
        this.documents = documents;
        this.sequenceLength = sequenceLength;
        this.insideDocuments = insideDocuments;
        if (documents.tokens() <= sequenceLength) {
            throw new IllegalArgumentException(
                    "a window of sequenceLength = " + sequenceLength + " needs " + (sequenceLength + 1)
                            + " tokens, the text has " + documents.tokens() + "; give more text or a shorter sequence");
        }
    }

    @Override
    public long size() {
        return (documents.tokens() - 1) / sequenceLength;
    }

    @Override
    public boolean insideDocuments() {
        return insideDocuments;
    }

    @Override
    public void fill(long window, int row, TokenBatch batch) {
        long start = window * sequenceLength;
        if (!insideDocuments) {
            Span.copy(documents, start, sequenceLength, batch, row * sequenceLength);
            return;
        }
        long document = documents.documentOf(start);
        int at = 0;
        for (int number = 1; at < sequenceLength; number++) {
            long end = documents.start(++document);
            int inputs = (int) Math.min(sequenceLength - at, end - start - at);
            // The document's last token is read and predicts nothing.
            boolean ends = start + at + inputs == end;
            Span.copy(documents, start + at, ends ? inputs - 1 : inputs, batch, row * sequenceLength + at);
            if (ends) {
                Span.copyInput(documents, end - 1, batch, row * sequenceLength + at + inputs - 1);
            }
            Span.number(batch, row * sequenceLength + at, inputs, number);
            at += inputs;
        }
    }
}
