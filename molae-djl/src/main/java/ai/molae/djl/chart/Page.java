package ai.molae.djl.chart;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** The frame of a page, and how it comes into its file. */
public final class Page {

    private Page() {}

    /**
     * A whole page.
     *
     * @param title text of the window's title and of the headline, not HTML
     * @param body what stands below the headline, HTML
     * @return an HTML document with its style sheet in it
     */
    public static String html(String title, String body) {
        return "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
                + "<meta name=viewport content=\"width=device-width, initial-scale=1\"><title>"
                + Html.escape(title)
                + "</title><style>\n"
                + style()
                + "</style></head><body>\n<h1>"
                + Html.escape(title)
                + "</h1>\n"
                + body
                + "</body></html>\n";
    }

    private static String style() {
        try (InputStream css = Page.class.getResourceAsStream("page.css")) {
            if (css == null) {
                throw new IllegalStateException("no resource page.css beside " + Page.class.getName());
            }
            return new String(css.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Writes a text: first beside the file, then in its place, so that a reader never sees half of it.
     *
     * @param file replaced if it exists; its folder is made if it is missing
     * @param text what will be in it, as UTF-8
     * @throws IOException if it cannot be written; an older file stays then
     */
    public static void write(Path file, String text) throws IOException {
        Path target = file.toAbsolutePath();
        Path part = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".part");
        Path folder = target.getParent();
        if (folder != null) {
            Files.createDirectories(folder);
        }
        try {
            Files.writeString(part, text, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(part);
        }
    }
}
