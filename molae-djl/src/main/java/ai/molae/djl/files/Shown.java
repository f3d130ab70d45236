package ai.molae.djl.files;

import org.jspecify.annotations.Nullable;

/** Texts of files as they are fit for messages: what a file holds must not fill a log. */
public final class Shown {

    private static final int VALUE = 200;
    private static final int MESSAGE = 4000;

    private Shown() {}

    /**
     * A value of a file.
     *
     * @param text any text
     * @return its first 200 characters, and how many there are
     */
    public static String value(@Nullable String text) {
        return cut(text, VALUE);
    }

    /**
     * A message about a file that may repeat parts of it.
     *
     * @param message a message
     * @return its first 4000 characters, and how many there are
     */
    public static String message(@Nullable String message) {
        return cut(message, MESSAGE);
    }

    private static String cut(@Nullable String text, int most) {
        String all = String.valueOf(text);
        return all.length() <= most ? all : all.substring(0, most) + "... (" + all.length() + " characters)";
    }
}
