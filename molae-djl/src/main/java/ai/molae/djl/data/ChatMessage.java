package ai.molae.djl.data;

/**
 * One message of a conversation.
 *
 * @param role who says it, in the words of the model's template: mostly {@code system}, {@code user} or {@code assistant}
 * @param content what is said
 */
public record ChatMessage(String role, String content) {

    /**
     * Validates the role.
     *
     * @param role who says it
     * @param content what is said
     * @throws IllegalArgumentException if the role is blank
     */
    public ChatMessage {
        if (role.isBlank()) {
            throw new IllegalArgumentException("a message needs a role, such as user, got '" + role + "'");
        }
    }

    /**
     * What the model should be and do.
     *
     * @param content the text
     * @return a message of the role {@code system}
     */
    public static ChatMessage system(String content) {
        return new ChatMessage("system", content);
    }

    /**
     * What a person says.
     *
     * @param content the text
     * @return a message of the role {@code user}
     */
    public static ChatMessage user(String content) {
        return new ChatMessage("user", content);
    }

    /**
     * What the model said.
     *
     * @param content the text
     * @return a message of the role {@code assistant}
     */
    public static ChatMessage assistant(String content) {
        return new ChatMessage("assistant", content);
    }
}
