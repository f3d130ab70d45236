package ai.molae.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.molae.djl.torch.Precision;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120) // a request that is never answered must not stop the build
class WebServiceTest {

    /** So many that a test has long seen what it waits for before they are made. */
    private static final int ENDLESS = 30_000;

    private static final WebService.Limits MANY = new WebService.Limits(4, 8, 1000, ENDLESS);
    private static final WebService.Limits ONE = new WebService.Limits(1, 0, 1000, ENDLESS);

    @TempDir
    private static Path folder;

    private static WebService shared;
    private static HttpClient client;

    @BeforeAll
    static void start() throws IOException {
        TinyCheckpoint.write(folder, ENDLESS + 100);
        Files.writeString(folder.resolve("generation_config.json"), "{}"); // no token ends a text
        shared = service(MANY);
        client = HttpClient.newHttpClient();
    }

    @AfterAll
    static void stop() {
        shared.close();
    }

    private static WebService service(WebService.Limits limits) throws IOException {
        return new WebService(folder, Precision.FLOAT32, 0, limits);
    }

    private static URI uri(int port, String path) {
        return URI.create("http://" + InetAddress.getLoopbackAddress().getHostAddress() + ":" + port + path);
    }

    private static HttpRequest post(WebService service, String body) {
        return HttpRequest.newBuilder(uri(service.port(), "/v1/completions"))
                .POST(BodyPublishers.ofString(body))
                .build();
    }

    private static HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
        return client.send(request, BodyHandlers.ofString());
    }

    private static HttpResponse<String> get(WebService service, String path) throws IOException, InterruptedException {
        return send(HttpRequest.newBuilder(uri(service.port(), path)).build());
    }

    private static String body(int seed, int tokens, boolean stream) {
        JsonObject json = new JsonObject();
        json.addProperty("prompt", "héllo " + seed);
        json.addProperty("max_tokens", tokens);
        json.addProperty("temperature", 0.9);
        json.addProperty("seed", seed);
        json.addProperty("stream", stream);
        return json.toString();
    }

    private static JsonObject choice(String json) {
        JsonArray choices = JsonParser.parseString(json).getAsJsonObject().getAsJsonArray("choices");
        return choices.get(0).getAsJsonObject();
    }

    private static String text(String json) {
        return choice(json).get("text").getAsString();
    }

    @Test
    void eightRequestsAtOnceGetWhatEachGetsAlone() throws Exception {
        List<String> alone = new ArrayList<>();
        for (int seed = 0; seed < 8; seed++) {
            alone.add(text(send(post(shared, body(seed, 40, false))).body()));
        }
        assertThat(Set.copyOf(alone)).as("seeds make a difference").hasSize(8);

        List<CompletableFuture<HttpResponse<String>>> together = IntStream.range(0, 8)
                .mapToObj(seed -> client.sendAsync(post(shared, body(seed, 40, false)), BodyHandlers.ofString()))
                .toList();

        for (int seed = 0; seed < 8; seed++) {
            assertThat(text(together.get(seed).get().body())).isEqualTo(alone.get(seed));
        }
    }

    @Test
    void theStreamedPiecesAreTheWholeText() throws Exception {
        String whole = send(post(shared, body(3, 60, false))).body();
        JsonObject usage = JsonParser.parseString(whole).getAsJsonObject().getAsJsonObject("usage");
        assertThat(usage.get("prompt_tokens").getAsInt()).isEqualTo(8); // é is two bytes

        HttpResponse<String> streamed = send(post(shared, body(3, 60, true)));

        assertThat(streamed.headers().firstValue("Content-Type")).contains("text/event-stream");
        List<String> events = streamed.body()
                .lines()
                .filter(line -> line.startsWith("data: "))
                .map(line -> line.substring(6))
                .toList();
        assertThat(events).hasSizeGreaterThan(5).endsWith("[DONE]");
        List<String> pieces = events.subList(0, events.size() - 1);
        assertThat(String.join("", pieces.stream().map(WebServiceTest::text).toList()))
                .isEqualTo(text(whole));
        String last = pieces.get(pieces.size() - 1);
        assertThat(JsonParser.parseString(last).getAsJsonObject().get("usage")).isEqualTo(usage);
        assertThat(choice(last).get("finish_reason")).isEqualTo(choice(whole).get("finish_reason"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"prompt\": \"a\"            | not JSON",
                "[]                            | must be an object",
                "{}                            | missing key prompt",
                "{\"prompt\": 5}               | prompt must be a text, got 5",
                "{\"prompt\": \"\"}            | the prompt is empty",
                "{\"prompt\": \"a\", \"max_tokens\": 1.5}      | max_tokens must be an integer",
                "{\"prompt\": \"a\", \"max_tokens\": 0}        | maxNewTokens must be at least 1, got 0",
                "{\"prompt\": \"a\", \"max_tokens\": 30001}    | max_tokens = 30001 is too much: at most 30000",
                "{\"prompt\": \"a\", \"temperature\": -1}      | temperature must be finite and at least 0, got -1.0",
                "{\"prompt\": \"a\", \"stream\": \"yes\"}      | stream must be true or false",
                "{\"prompt\": \"a\", \"stop\": \"b\"}          | unknown key stop"
            })
    void whatIsWrongWithARequestIsSaid(String body, String message) throws Exception {
        HttpResponse<String> response = send(post(shared, body));

        assertThat(response.statusCode()).isEqualTo(400);
        JsonObject error =
                JsonParser.parseString(response.body()).getAsJsonObject().getAsJsonObject("error");
        assertThat(error.get("message").getAsString()).contains(message);
    }

    @Test
    void halfACharacterDoesNoHarm() throws Exception {
        HttpResponse<String> response = send(post(shared, "{\"prompt\": \"a\\ud800b\", \"max_tokens\": 1}"));

        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    }

    @Test
    void refusesLargeBodiesWrongMethodsAndUnknownPaths() throws Exception {
        assertThat(send(post(shared, "{\"prompt\": \"" + "a".repeat(1000) + "\"}"))
                        .statusCode())
                .isEqualTo(413);
        HttpResponse<String> wrongMethod = get(shared, "/v1/completions");
        assertThat(wrongMethod.statusCode()).isEqualTo(405);
        assertThat(wrongMethod.headers().firstValue("Allow")).contains("POST");
        assertThat(get(shared, "/health/x").statusCode()).isEqualTo(404);
        assertThat(get(shared, "/nothing").statusCode()).isEqualTo(404);
    }

    @Test
    void tellsItsHealthAndCounts() throws Exception {
        try (WebService service = service(ONE)) {
            send(post(service, "{\"prompt\": \"hello\", \"max_tokens\": 7, \"temperature\": 1, \"seed\": 3}"));
            send(post(service, "nonsense"));

            assertThat(get(service, "/health").body()).isEqualTo("{\"status\":\"ok\"}");
            assertThat(get(service, "/metrics").body().lines())
                    .contains(
                            "molae_responses_total{status=\"200\"} 2",
                            "molae_responses_total{status=\"400\"} 1",
                            "molae_prompt_tokens_total 5",
                            "molae_new_tokens_total 7",
                            "molae_requests_running 0",
                            "molae_requests_waiting 0");
        }
    }

    /** A request whose answer is read line by line, by hand: the connection is this test's to break. */
    private static final class Connection implements AutoCloseable {
        private final Socket socket;
        private final BufferedReader answer;

        Connection(int port, String body) throws IOException {
            socket = new Socket(InetAddress.getLoopbackAddress(), port);
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            String head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + bytes.length;
            socket.getOutputStream().write((head + "\r\n\r\n").getBytes(StandardCharsets.UTF_8));
            socket.getOutputStream().write(bytes);
            answer = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
        }

        /** Reads until the head of the answer is over, when the generation runs. */
        Connection awaitBegin() throws IOException {
            while (!answer.readLine().isEmpty()) {}
            return this;
        }

        List<String> rest() {
            return answer.lines().toList();
        }

        @Override
        public void close() throws IOException {
            socket.setSoLinger(true, 0); // at once
            socket.close();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void refusesRequestsWhenItIsFullAndIsFreeAgainWhenAClientGoes(boolean stream) throws Exception {
        try (WebService service = service(ONE)) {
            try (Connection connection = new Connection(service.port(), body(1, ENDLESS, stream)).awaitBegin()) {
                HttpResponse<String> refused = send(post(service, body(2, 5, false)));

                assertThat(refused.statusCode()).isEqualTo(503);
                assertThat(refused.headers().firstValue("Retry-After")).contains("1");
                assertThat(get(service, "/metrics").body()).contains("molae_requests_running 1\n");
            }
            Set<String> seen = new TreeSet<>();
            while (!seen.contains("molae_requests_running 0")) {
                get(service, "/metrics").body().lines().forEach(seen::add);
            }
            assertThat(seen).doesNotContain("molae_new_tokens_total " + ENDLESS);
            assertThat(send(post(service, body(2, 5, false))).statusCode()).isEqualTo(200);
        }
    }

    @Test
    void closingEndsRunningGenerationsWithWhatTheyHave() throws Exception {
        WebService service = service(ONE);
        try (Connection connection = new Connection(service.port(), body(1, ENDLESS, true)).awaitBegin()) {
            service.close();

            assertThat(connection.rest())
                    .anyMatch(line -> line.contains("\"finish_reason\":\"shutdown\""))
                    .contains("data: [DONE]");
        }
        assertThatThrownBy(() -> get(service, "/health")).isInstanceOf(ConnectException.class);
    }

    @Test
    void sigtermEndsTheProcessAfterTheAnswers() throws Exception {
        Assumptions.assumeFalse(System.getProperty("os.name").startsWith("Windows"), "there is no SIGTERM");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-Dai.djl.offline=true",
                        "-Dmolae.cache=" + System.getProperty("molae.cache"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        WebService.class.getName(),
                        folder.toString(),
                        "0")
                .redirectErrorStream(true)
                .start();
        try (BufferedReader said =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            String line = said.readLine();
            while (!line.startsWith("serving ")) {
                line = said.readLine();
            }
            int port = Integer.parseInt(line.substring(line.lastIndexOf(':') + 1));
            try (Connection connection = new Connection(port, body(1, 512, true)).awaitBegin()) {
                process.destroy();

                assertThat(connection.rest()).contains("data: [DONE]");
            }
            assertThat(process.waitFor()).isEqualTo(128 + 15);
        } finally {
            process.destroyForcibly();
        }
    }
}
