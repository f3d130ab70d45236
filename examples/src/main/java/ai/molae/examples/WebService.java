package ai.molae.examples;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.data.StreamingDecoder;
import ai.molae.djl.generate.Generation;
import ai.molae.djl.generate.GenerationConfig;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.generate.StopReason;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.json.JsonFields;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.Telemetry;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A language model behind HTTP, with nothing but the JDK's own server: one loaded model, shared by the threads of all requests.
 *
 * <pre>
 *   POST /v1/completions   {"prompt": "...", "max_tokens": 64, "temperature": 0.8, "seed": 1, "stream": false}
 *   GET  /health           200 while it takes requests, 503 once it is shutting down
 *   GET  /metrics          counters in Prometheus' text format
 * </pre>
 *
 * <p>With "stream" the text comes as server-sent events while it is made. A client that goes away ends its generation, SIGTERM ends all of them
 * after the token at hand; what was made until then is sent. Equal seeds give equal texts, whatever else is running.
 *
 * <p>Arguments: FOLDER of a checkpoint with tokenizer.json [PORT, default 8080]
 */
public final class WebService implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(WebService.class);
    private static final int DEFAULT_TOKENS = 64;
    private static final int SHUTDOWN_SECONDS = 30;

    /**
     * What is accepted.
     *
     * @param running generations at once
     * @param waiting requests that wait for one of these to end; more get status 503
     * @param bodyBytes the longest request; longer ones get status 413
     * @param tokens the most new tokens of a request; more get status 400
     */
    record Limits(int running, int waiting, int bodyBytes, int tokens) {
        static final Limits STANDARD = new Limits(2, 16, 64 << 10, 512);
    }

    /** What a client asks for. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Request(int[] prompt, Sampling sampling, boolean stream) {}

    /** Anything but 200. */
    private static final class HttpError extends RuntimeException {
        private static final long serialVersionUID = 1L;
        private final int status;

        HttpError(int status, String message) {
            super(message);
            this.status = status;
        }
    }

    private final Limits limits;
    private final String name;
    private final NDManager manager = NDManager.newBaseManager("PyTorch"); // owns the weights
    private final HfTokenizer tokenizer;
    private final GenerationConfig defaults;
    private final Generator generator;
    private final int context;
    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool();

    /** One permit for each request that runs or waits. */
    private final Semaphore places;

    /** One permit for each that runs; first come, first served. */
    private final Semaphore turns;

    private final Map<Integer, LongAdder> responses = new ConcurrentSkipListMap<>();
    private final LongAdder promptTokens = new LongAdder();
    private final LongAdder newTokens = new LongAdder();
    private volatile boolean stopping;

    /** Loads a model and begins to serve it on this machine's loopback address. */
    WebService(Path folder, Precision precision, int port, Limits limits) throws IOException {
        this.limits = limits;
        name = String.valueOf(folder.getFileName());
        places = new Semaphore(limits.running() + limits.waiting());
        turns = new Semaphore(limits.running(), true);
        tokenizer = HfTokenizer.load(folder);
        defaults = GenerationConfig.read(folder);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            CausalLm model = checkpoint.loadForInference(manager, precision);
            generator = new Generator(model); // safe for any number of threads
            context = model.spec().maxPositionEmbeddings();
        }
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        server.setExecutor(threads);
        server.createContext(
                "/", handler("GET", "/", exchange -> send(exchange, 200, "text/plain", "POST /v1/completions\n")));
        server.createContext("/v1/completions", handler("POST", "/v1/completions", this::complete));
        server.createContext("/health", handler("GET", "/health", this::health));
        server.createContext("/metrics", handler("GET", "/metrics", this::metrics));
        server.start();
    }

    /** Runs the example. */
    public static void main(String[] args) throws IOException {
        Telemetry.optOut(); // before DJL starts
        if (args.length == 0) {
            System.out.println("Which checkpoint? Give the folder that has its config.json.");
            return;
        }
        // The JDK's server waits for slow requests for ever unless told otherwise; in seconds.
        System.setProperty("sun.net.httpserver.maxReqTime", "30");
        int port = args.length > 1 ? Integer.parseInt(args[1]) : 8080;
        WebService service = new WebService(Path.of(args[0]), Precision.BFLOAT16, port, Limits.STANDARD);
        Runtime.getRuntime().addShutdownHook(new Thread(service::close, "shutdown"));
        System.out.println("serving " + service.name + " on http://localhost:" + service.port());
    }

    int port() {
        return server.getAddress().getPort();
    }

    private void complete(HttpExchange exchange) throws IOException {
        Request request = read(exchange);
        if (stopping || !places.tryAcquire()) {
            exchange.getResponseHeaders().set("Retry-After", "1");
            throw new HttpError(503, stopping ? "the service is shutting down" : "too many requests are waiting");
        }
        try {
            turns.acquireUninterruptibly();
            try {
                if (stopping) {
                    throw new HttpError(503, "the service is shutting down");
                }
                generate(exchange, request);
            } finally {
                turns.release();
            }
        } finally {
            places.release();
        }
    }

    private Request read(HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readNBytes(limits.bodyBytes() + 1);
        if (body.length > limits.bodyBytes()) {
            throw new HttpError(413, "a request must not have more than " + limits.bodyBytes() + " bytes");
        }
        try {
            JsonFields json = JsonFields.parse(new String(body, StandardCharsets.UTF_8));
            return json.build(() -> request(json)); // which complains of keys that nobody has read
        } catch (IllegalArgumentException e) {
            throw new HttpError(400, String.valueOf(e.getMessage()));
        }
    }

    private Request request(JsonFields json) {
        int[] prompt = tokenizer.encode(json.string("prompt"), true);
        int tokens = json.has("max_tokens") ? json.integer("max_tokens") : Math.min(DEFAULT_TOKENS, limits.tokens());
        if (prompt.length == 0) {
            throw new IllegalArgumentException("the prompt is empty");
        }
        if (tokens > limits.tokens() || tokens > context - prompt.length) {
            throw new IllegalArgumentException("max_tokens = " + tokens + " is too much: at most " + limits.tokens()
                    + ", and together with the prompt's " + prompt.length + " at most " + context);
        }
        json.skip("model"); // there is but one
        Sampling.Builder sampling = defaults.sampling()
                .optMaxNewTokens(tokens)
                .optSeed(
                        json.has("seed")
                                ? json.integer("seed")
                                : ThreadLocalRandom.current().nextInt());
        if (json.has("temperature")) {
            sampling.optTemperature(json.number("temperature"));
        }
        return new Request(prompt, sampling.build(), json.has("stream") && json.bool("stream"));
    }

    private void generate(HttpExchange exchange, Request request) throws IOException {
        boolean stream = request.stream();
        exchange.getResponseHeaders().set("Content-Type", stream ? "text/event-stream" : "application/json");
        exchange.sendResponseHeaders(200, 0); // 0: length unknown
        count(200);
        promptTokens.add(request.prompt().length);
        OutputStream out = exchange.getResponseBody();
        StreamingDecoder decoder = new StreamingDecoder(tokenizer, tokens -> tokenizer.decode(tokens, true));
        StringBuilder text = new StringBuilder();
        LongAdder made = new LongAdder();
        String reason;
        try {
            Generation generation = generator.complete(request.prompt(), request.sampling(), token -> {
                made.increment();
                newTokens.increment();
                String piece = decoder.add(token);
                text.append(piece);
                // Something is written for every token, because that is how one learns that a client has gone. Where
                // there is nothing to
                // say it is what readers skip: a blank before the JSON object, an event without data.
                write(out, !stream ? " " : piece.isEmpty() ? ":\n\n" : event(answer(piece)));
                if (stopping) {
                    throw new CancellationException();
                }
            });
            reason = generation.stopReason() == StopReason.STOP_TOKEN ? "stop" : "length";
        } catch (CancellationException e) {
            reason = "shutdown";
        } catch (UncheckedIOException e) {
            throw e;
        } catch (RuntimeException e) { // too late for another status
            LOG.error("a generation has failed", e);
            write(
                    out,
                    stream
                            ? event(error(500, "the generation failed"))
                            : error(500, "the generation failed").toString());
            return;
        }
        String rest = decoder.end();
        JsonObject answer = answer(stream ? rest : text + rest);
        answer.getAsJsonArray("choices").get(0).getAsJsonObject().addProperty("finish_reason", reason);
        JsonObject usage = new JsonObject();
        usage.addProperty("prompt_tokens", request.prompt().length);
        usage.addProperty("completion_tokens", made.sum());
        answer.add("usage", usage);
        write(out, stream ? event(answer) + "data: [DONE]\n\n" : answer.toString());
        out.close();
    }

    private JsonObject answer(String text) {
        JsonObject choice = new JsonObject();
        choice.addProperty("index", 0);
        choice.addProperty("text", text);
        JsonArray choices = new JsonArray();
        choices.add(choice);
        JsonObject answer = new JsonObject();
        answer.addProperty("object", "text_completion");
        answer.addProperty("model", name);
        answer.add("choices", choices);
        return answer;
    }

    private static JsonObject error(int status, String message) {
        JsonObject description = new JsonObject();
        description.addProperty("message", message);
        description.addProperty("code", status);
        JsonObject error = new JsonObject();
        error.add("error", description);
        return error;
    }

    private static String event(JsonObject data) {
        return "data: " + data + "\n\n";
    }

    private static void write(OutputStream out, String text) {
        try {
            out.write(text.getBytes(StandardCharsets.UTF_8));
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void health(HttpExchange exchange) throws IOException {
        send(
                exchange,
                stopping ? 503 : 200,
                "application/json",
                stopping ? "{\"status\":\"stopping\"}" : "{\"status\":\"ok\"}");
    }

    private void metrics(HttpExchange exchange) throws IOException {
        StringBuilder text = new StringBuilder();
        responses.forEach(
                (status, number) -> text.append("molae_responses_total{status=\"" + status + "\"} " + number + "\n"));
        int running = limits.running() - turns.availablePermits();
        int taken = limits.running() + limits.waiting() - places.availablePermits();
        text.append("molae_prompt_tokens_total " + promptTokens + "\n");
        text.append("molae_new_tokens_total " + newTokens + "\n");
        text.append("molae_requests_running " + running + "\n");
        text.append("molae_requests_waiting " + Math.max(0, taken - running) + "\n");
        NativeMemory.inUse().ifPresent(bytes -> text.append("molae_native_bytes " + bytes + "\n"));
        send(exchange, 200, "text/plain; version=0.0.4", text.toString());
    }

    /** Refuses other paths below this one and other methods, and turns what a handler throws into a response. */
    private HttpHandler handler(String method, String path, HttpHandler handler) {
        return exchange -> {
            try {
                if (!exchange.getRequestURI().getPath().equals(path)) {
                    throw new HttpError(
                            404, "there is no " + exchange.getRequestURI().getPath());
                }
                if (!exchange.getRequestMethod().equals(method)) {
                    exchange.getResponseHeaders().set("Allow", method);
                    throw new HttpError(405, path + " takes " + method);
                }
                handler.handle(exchange);
            } catch (HttpError e) {
                send(
                        exchange,
                        e.status,
                        "application/json",
                        error(e.status, String.valueOf(e.getMessage())).toString());
            } catch (UncheckedIOException e) {
                LOG.info("a client has gone before it had its answer");
            } catch (RuntimeException e) {
                LOG.error("{} failed", path, e);
                send(
                        exchange,
                        500,
                        "application/json",
                        error(500, "internal error").toString());
            } finally {
                exchange.close();
            }
        };
    }

    private void send(HttpExchange exchange, int status, String type, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        count(status);
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
    }

    private void count(int status) {
        responses.computeIfAbsent(status, key -> new LongAdder()).increment();
    }

    /** Refuses new requests, ends running generations after the token at hand, and frees the model once their answers are sent. */
    @Override
    public void close() {
        stopping = true;
        boolean idle = false;
        try {
            idle = places.tryAcquire(limits.running() + limits.waiting(), SHUTDOWN_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        server.stop(0);
        threads.shutdown();
        if (idle) { // never while a generation may still read it
            tokenizer.close();
            manager.close();
        }
    }
}
