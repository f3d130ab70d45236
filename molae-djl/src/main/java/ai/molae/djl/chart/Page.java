package ai.molae.djl.chart;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** The frame of a page. */
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
}
