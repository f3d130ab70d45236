package ai.molae.djl.data;

/**
 * A chat template that is wrong, or does not take a conversation: it has faults in it, or raises one, for instance because the roles do not
 * alternate. The message names the template's file and line.
 */
public final class ChatTemplateException extends IllegalArgumentException {

    private static final long serialVersionUID = 1L;

    ChatTemplateException(String origin, IllegalArgumentException cause) {
        super(origin + ": " + cause.getMessage(), cause);
    }
}
