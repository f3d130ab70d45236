package ai.molae.djl.data;

import com.google.gson.JsonElement;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The added tokens of a {@code tokenizer.json}, over some of which the native library ends the process; see {@link TokenizerComponents}. These
 * are refused:
 *
 * <pre>
 *   normalized, and the normalizer may leave nothing of it    it is found everywhere, with no length
 *   of space with lstrip, and another one has rstrip          it ends in the space that the other one took
 * </pre>
 *
 * <p>Tokens of space without lstrip (GPT-NeoX, OLMoE) and rstrip alone (Phi-3) are passed on. What a normalizer makes of a token is not worked
 * out, only what it may: an ASCII letter or digit outlives all of them but Replace.
 */
final class AddedTokens {

    /** Normalizers that take characters out or make space of them. */
    private static final Set<String> STRIPPING = Set.of("Strip", "StripAccents", "Nmt", "BertNormalizer");

    /** The library's notion of space, Unicode's. */
    private static final Pattern SPACE = Pattern.compile("\\s*", Pattern.UNICODE_CHARACTER_CLASS);

    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9]");

    private final List<Token> tokens = new ArrayList<>();
    private boolean strips;
    private boolean replaces;
    private boolean leavesOut;

    private record Token(String content, boolean normalized, boolean lstrip, boolean rstrip) {}

    void add(String content, boolean normalized, boolean lstrip, boolean rstrip) {
        tokens.add(new Token(content, normalized, lstrip, rstrip));
    }

    /** Takes note of a component that {@link TokenizerComponents} passes on. */
    void component(String key, JsonElement component) {
        if (!key.equals("normalizer")) {
            return;
        }
        TokenizerComponents.simpleParts(key, component).forEach(part -> {
            String type = TokenizerComponents.text(part.get("type"));
            strips |= STRIPPING.contains(type);
            if (type.equals("Replace")) {
                replaces = true;
                leavesOut |= TokenizerComponents.text(part.get("content")).isEmpty();
            }
        });
    }

    /**
     * Checks the tokens, when all of the file is known.
     *
     * @param file for messages
     * @throws IllegalArgumentException if one is not passed on
     */
    void check(Path file) {
        boolean rstrip = tokens.stream().anyMatch(Token::rstrip);
        for (Token token : tokens) {
            if (mayVanish(token)) {
                throw TokenizerComponents.refused(
                        file,
                        "added token '" + token.content() + "'",
                        "is normalized, and one of which the normalizer may leave nothing");
            }
            if (rstrip && token.lstrip() && mayBeSpace(token)) {
                throw TokenizerComponents.refused(
                        file,
                        "added token '" + token.content() + "'",
                        "is space with lstrip, beside a token with rstrip");
            }
        }
    }

    private boolean mayVanish(Token token) {
        return token.normalized() && (leavesOut || (strips && (replaces || !isPlain(token))));
    }

    /** As it stands, or after the normalizer; what a stripping one may leave as space, it may also leave out. */
    private boolean mayBeSpace(Token token) {
        return SPACE.matcher(token.content()).matches() || (token.normalized() && replaces);
    }

    private static boolean isPlain(Token token) {
        return PLAIN.matcher(token.content()).find();
    }
}
