package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Token.Kind;
import java.util.List;

/** The words of one tag, read one after the other; after the last one comes {@link Kind#END} for ever. */
final class TokenStream {

    private final List<Token> tokens;
    private int position;

    TokenStream(List<Token> tokens) {
        this.tokens = tokens;
    }

    int size() {
        return tokens.size();
    }

    Token peek() {
        return tokens.get(position);
    }

    /** The word after the next one. */
    Token following() {
        return tokens.get(Math.min(position + 1, tokens.size() - 1));
    }

    Token next() {
        Token token = tokens.get(position);
        position = Math.min(position + 1, tokens.size() - 1);
        return token;
    }

    boolean at(Kind kind, String text) {
        return peek().is(kind, text);
    }

    boolean atEnd() {
        return peek().kind() == Kind.END;
    }

    boolean take(Kind kind, String text) {
        boolean found = at(kind, text);
        if (found) {
            next();
        }
        return found;
    }

    void expect(String operator) {
        if (!take(Kind.OPERATOR, operator)) {
            throw unexpected(peek(), "'" + operator + "'");
        }
    }

    String name() {
        Token token = next();
        if (token.kind() != Kind.NAME) {
            throw unexpected(token, "a name");
        }
        return token.text();
    }

    void expectEnd() {
        if (!atEnd()) {
            throw unexpected(peek(), "the end of the tag");
        }
    }

    JinjaException unexpected(Token token, String expected) {
        return new JinjaException("expected " + expected + ", got " + token).at(token.line());
    }
}
