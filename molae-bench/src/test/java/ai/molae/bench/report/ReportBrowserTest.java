package ai.molae.bench.report;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.results.Results;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.logging.LogEntry;
import org.openqa.selenium.logging.LogType;

/** The page as a browser draws it. Skipped where no Chromium is installed. */
class ReportBrowserTest {

    private static final Pattern URL = Pattern.compile("\"url\":\"([^\"]+)\"");
    private static final Pattern RGB = Pattern.compile("rgba?\\((\\d+), (\\d+), (\\d+).*");

    @TempDir
    static Path folder;

    private static ChromeDriver driver;

    @BeforeAll
    static void open() throws IOException {
        driver = Browser.start(folder.resolve("profile"));
        Files.writeString(folder.resolve(Results.FILE), SyntheticRun.json());
        SyntheticRun.environment().write(folder.resolve("environment.json"));
        driver.get(ReportFolder.write(folder).toUri().toString());
    }

    @AfterAll
    static void close() {
        if (driver != null) {
            driver.quit();
        }
    }

    /** What a script returns, of which the caller knows the type. */
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <T> T js(String script, Object... arguments) {
        return (T) driver.executeScript(script, arguments);
    }

    @ParameterizedTest
    @CsvSource({
        "presets, 68", // 4 charts of 9 presets with 2 bars, without those of unequal phases
        "variants, 36", // 4 charts of 9
        "precisions, 14",
        "roofline, 50",
        "tokens, 16", // 2 curves of 8
        "memory, 8",
        "skew, 4",
        "peers, 8",
        "dispatch, 4",
        "models, 6",
        "conversion, 3"
    })
    void everyChartIsDrawn(String id, long marks) {
        Browser.resize(driver, 1280, 900, false);
        List<List<Number>> sizes = js(
                "return [...document.querySelectorAll('#' + arguments[0] + ' svg')].map(svg => {"
                        + " const box = svg.getBoundingClientRect(); return [box.width, box.height]; })",
                id);
        assertThat(sizes).isNotEmpty().allSatisfy(size -> {
            assertThat(size.get(0).doubleValue()).isGreaterThan(300);
            assertThat(size.get(1).doubleValue()).isGreaterThan(40);
        });
        long drawn = js(
                "return [...document.querySelectorAll('#' + arguments[0] + ' svg rect, #' + arguments[0] + ' svg path.mark')]"
                        + ".filter(mark => { const box = mark.getBoundingClientRect(), svg = mark.ownerSVGElement.getBoundingClientRect();"
                        + " return box.width > 0 && box.height > 0 && box.left >= svg.left - 1 && box.right <= svg.right + 1"
                        + " && box.top >= svg.top - 1 && box.bottom <= svg.bottom + 1; }).length",
                id);
        assertThat(drawn).isGreaterThanOrEqualTo(marks);
    }

    @ParameterizedTest
    @ValueSource(ints = {390, 1280})
    void textsInChartsStayInsideThem(int width) {
        Browser.resize(driver, width, 900, width < 600);
        List<String> outside = js("return [...document.querySelectorAll('svg text')].filter(text => {"
                + " const box = text.getBoundingClientRect(), svg = text.ownerSVGElement.getBoundingClientRect();"
                + " return box.left < svg.left - 1 || box.right > svg.right + 1 || box.bottom > svg.bottom + 1; })"
                + ".map(text => text.textContent)");
        assertThat(outside).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {390, 1280})
    void thePageIsNotWiderThanTheScreen(int width) {
        Browser.resize(driver, width, 844, width < 600);
        long scroll = js("return document.documentElement.scrollWidth");
        long client = js("return document.documentElement.clientWidth");
        assertThat(client).isEqualTo(width);
        assertThat(scroll).isLessThanOrEqualTo(client);
    }

    @Test
    void tablesAreFilled() {
        List<String> empty = js("return [...document.querySelectorAll('table')].filter(table =>"
                + " table.rows.length < 2 || [...table.querySelectorAll('td')].some(cell => !cell.innerText.trim()))"
                + ".map(table => table.closest('section').id)");
        assertThat(empty).isEmpty();
        long tables = js("return document.querySelectorAll('table').length");
        assertThat(tables).isGreaterThanOrEqualTo(14);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void textsStandOutFromWhatIsBehindThem(boolean dark) {
        Browser.preferDark(driver, dark);
        double page = luminance(js("return getComputedStyle(document.body).backgroundColor"));
        assertThat(page < 0.2).as("the page is dark: %s", page).isEqualTo(dark);
        List<Map<String, String>> texts = js(
                """
                const behind = element => {
                  for (let e = element; e; e = e.parentElement) {
                    const colour = getComputedStyle(e).backgroundColor;
                    if (!/rgba\\(.*, 0\\)/.test(colour)) return colour;
                  }
                  return 'rgb(255, 255, 255)';
                };
                return ['body', 'h2', 'p', 'td', 'th', 'a', 'pre', 'li', 'figcaption b', 'figcaption span', '.legend i',
                        '.tile b', '.tile small', 'svg text.x', 'svg text.y', 'svg text.name', 'svg text.value']
                    .flatMap(selector => [...document.querySelectorAll(selector)].slice(0, 40).map(element => {
                      const style = getComputedStyle(element);
                      return {selector, text: element instanceof SVGElement ? style.fill : style.color, behind: behind(element)};
                    }));
                """);
        assertThat(texts).extracting(text -> text.get("selector")).contains("td", "svg text.x", "svg text.name", "li");
        assertThat(texts)
                .allSatisfy(text -> assertThat(contrast(luminance(text.get("text")), luminance(text.get("behind"))))
                        .as("%s", text)
                        .isGreaterThanOrEqualTo(4.5));
        // Bars and marks are no text: WCAG asks for 3.
        List<String> marks =
                js("return [...document.querySelectorAll('svg rect')].map(mark => getComputedStyle(mark).fill)");
        double card = luminance(js("return getComputedStyle(document.querySelector('figure')).backgroundColor"));
        assertThat(marks).isNotEmpty().allSatisfy(mark -> assertThat(contrast(luminance(mark), card))
                .isGreaterThanOrEqualTo(3));
    }

    @Test
    void nothingIsLoadedAndNothingGoesWrong() {
        driver.manage().logs().get(LogType.PERFORMANCE); // forgets what the browser did before
        driver.navigate().refresh();
        assertThat(driver.manage().logs().get(LogType.BROWSER).getAll()).isEmpty();
        List<String> requests = new ArrayList<>();
        for (LogEntry entry : driver.manage().logs().get(LogType.PERFORMANCE)) {
            if (entry.getMessage().contains("Network.requestWillBeSent\"")) {
                Matcher url = URL.matcher(entry.getMessage());
                while (url.find()) {
                    requests.add(url.group(1));
                }
            }
        }
        assertThat(requests).isNotEmpty().allSatisfy(url -> assertThat(url).startsWith("file:"));
    }

    /** WCAG 2.1: of sRGB. */
    private static double luminance(String colour) {
        Matcher rgb = RGB.matcher(colour);
        assertThat(rgb.matches()).as(colour).isTrue();
        double[] weights = {0.2126, 0.7152, 0.0722};
        double luminance = 0;
        for (int i = 0; i < 3; i++) {
            double c = Integer.parseInt(rgb.group(i + 1)) / 255.0;
            luminance += weights[i] * (c <= 0.03928 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4));
        }
        return luminance;
    }

    private static double contrast(double a, double b) {
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }
}
