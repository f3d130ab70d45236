package ai.molae.djl.data;

import java.util.ArrayList;
import java.util.List;

/**
 * A conversation as a template writes it, and where in it the answers are that are trained on.
 *
 * @param text the whole conversation
 * @param borders where the text turns from read to trained on and back, in turn, in ascending order; an even number of them
 */
record ChatSpans(String text, List<Integer> borders) {

    private static final int SHOWN = 40;

    static ChatSpans of(ChatTemplate template, List<ChatMessage> messages, boolean[] answers) {
        if (answers.length != messages.size()) {
            throw new IllegalArgumentException("there are " + messages.size() + " messages and " + answers.length
                    + " marks; one for each message");
        }
        String text = template.render(messages, false);
        List<Integer> borders = new ArrayList<>();
        for (int i = 0; i < answers.length; i++) {
            if (!answers[i]) {
                continue;
            }
            if (!messages.get(i).role().equals("assistant")) {
                throw new IllegalArgumentException("message " + (i + 1) + " is of the role "
                        + messages.get(i).role() + "; only answers of the assistant can be trained on");
            }
            String before = template.render(messages.subList(0, i), true);
            String after = template.render(messages.subList(0, i + 1), false);
            require(after, before, i, "the answer does not begin as the template asks for it");
            require(text, after, i, "the template writes the answer otherwise once the conversation goes on");
            borders.add(before.length());
            borders.add(after.length());
        }
        if (borders.isEmpty()) {
            throw new IllegalArgumentException(
                    "none of the " + messages.size() + " messages is an answer of the assistant to train on");
        }
        return new ChatSpans(text, borders);
    }

    private static void require(String text, String prefix, int message, String reason) {
        if (text.startsWith(prefix)) {
            return;
        }
        int same = 0;
        while (same < text.length() && same < prefix.length() && text.charAt(same) == prefix.charAt(same)) {
            same++;
        }
        throw new IllegalArgumentException(
                "message " + (message + 1) + ": " + reason + ", '" + piece(text, same)
                        + "' instead of '" + piece(prefix, same)
                        + "'; so it cannot be trained on here: give this message the weight 0, or end the conversation with it");
    }

    private static String piece(String text, int from) {
        int end = Math.min(text.length(), from + SHOWN);
        return text.substring(from, end).replace("\n", "\\n") + (end < text.length() ? "..." : "");
    }

    /** The pieces between the borders, of which every second one is trained on, from the second on. */
    List<String> pieces() {
        List<String> pieces = new ArrayList<>();
        int from = 0;
        for (int border : borders) {
            pieces.add(text.substring(from, border));
            from = border;
        }
        pieces.add(text.substring(from));
        return pieces;
    }
}
