package ai.molae.djl.convert.report;

import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;

/**
 * What a conversion cost and saved, for people and programs. A loss that is measured later joins the others:
 *
 * <pre>{@code
 * ConversionFiles.write(ConversionFiles.read(folder).withLoss("healed", 2.31), folder);
 * }</pre>
 *
 * <p>Perplexity is {@code exp(loss)}. In JSON what is not finite is null, and {@code summary} holds what follows from the rest.
 */
public final class ConversionFiles {

    private static final String NAME = "conversion";

    private ConversionFiles() {}

    /**
     * The report as Markdown: tables.
     *
     * @param report the report
     * @return a document that begins with a headline
     */
    public static String markdown(ConversionReport report) {
        return ConversionSheet.of(report).markdown();
    }

    /**
     * The report as a page: tables and charts.
     *
     * @param report the report
     * @return an HTML document that loads nothing
     */
    public static String html(ConversionReport report) {
        return ConversionSheet.of(report).html();
    }

    /**
     * The report for programs and for {@link #parse}.
     *
     * @param report the report
     * @return an indented JSON object
     */
    public static String json(ConversionReport report) {
        return Texts.INDENTED.toJson(ConversionJson.write(report)) + "\n";
    }

    /**
     * Writes {@code conversion.md}, {@code conversion.html} and {@code conversion.json}, each beside its place and then renamed.
     *
     * @param report the report
     * @param folder where; it is made if it is missing
     * @throws IOException if a file cannot be written
     */
    public static void write(ConversionReport report, Path folder) throws IOException {
        ReportFiles.write(folder, NAME, markdown(report), json(report), html(report));
    }

    /**
     * Reads a report.
     *
     * @param json what {@link #json} makes
     * @return an equal report; null is NaN
     * @throws IllegalArgumentException if the text is not JSON, a key is unknown, repeated or missing, a value has the wrong type, or the
     *     layers are not those of the models; the message names the key with its path
     */
    public static ConversionReport parse(String json) {
        return ConversionJson.read(json);
    }

    /**
     * Reads what {@link #write} wrote.
     *
     * @param folder the folder with {@code conversion.json}
     * @return an equal report
     * @throws IOException if the file cannot be read
     * @throws IllegalArgumentException as {@link #parse} throws, with the file
     */
    public static ConversionReport read(Path folder) throws IOException {
        Path file = folder.resolve(NAME + ".json");
        try {
            return parse(SmallText.read(file, SmallText.LISTS));
        } catch (IllegalArgumentException | CharacterCodingException e) {
            throw new IllegalArgumentException(file + ": " + Shown.message(e.getMessage()), e);
        }
    }
}
