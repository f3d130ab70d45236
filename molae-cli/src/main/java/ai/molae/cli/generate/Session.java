package ai.molae.cli.generate;

import ai.molae.cli.model.ModelTokenizer;
import ai.molae.cli.work.Interruption;
import ai.molae.djl.data.ChatMessage;
import ai.molae.djl.data.ChatTemplate;
import ai.molae.djl.data.StreamingDecoder;
import ai.molae.djl.generate.Generation;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;

/** A loaded model that writes. */
final class Session {

    private final ModelTokenizer tokenizer;
    private final Optional<ChatTemplate> template;
    private final Optional<String> system;
    private final Generator generator;
    private final Sampling sampling;
    private final Statistics statistics;

    Session(
            ModelTokenizer tokenizer,
            Optional<ChatTemplate> template,
            Optional<String> system,
            Generator generator,
            Sampling sampling,
            Statistics statistics) {
        this.tokenizer = tokenizer;
        this.template = template;
        this.system = system;
        this.generator = generator;
        this.sampling = sampling;
        this.statistics = statistics;
    }

    /** A conversation in which nobody has spoken. */
    List<ChatMessage> conversation() {
        List<ChatMessage> messages = new ArrayList<>();
        system.ifPresent(text -> messages.add(ChatMessage.system(text)));
        return messages;
    }

    /** The tokens of a prompt, which with a template is the first question of a conversation. */
    int[] encode(String prompt) {
        if (template.isEmpty()) {
            return tokenizer.encodePrompt(prompt);
        }
        List<ChatMessage> messages = conversation();
        messages.add(ChatMessage.user(prompt));
        return encode(messages);
    }

    /** The tokens of a conversation, to be answered. */
    int[] encode(List<ChatMessage> messages) {
        return tokenizer.encode(template.orElseThrow().render(messages, true));
    }

    /** Continues one prompt and tells the text piece by piece. */
    Generation stream(int[] prompt, Consumer<String> out, Interruption interruption) {
        StreamingDecoder decoder = tokenizer.stream();
        try {
            Generation generation = complete(List.of(prompt), token -> out.accept(decoder.add(token)), interruption)
                    .get(0);
            out.accept(decoder.end());
            return generation;
        } catch (CancellationException e) {
            out.accept("\n"); // what is said of it begins a line
            throw e;
        }
    }

    /** Continues prompts; the listener hears of each token of any of them. */
    List<Generation> complete(List<int[]> prompts, Consumer<Integer> listener, Interruption interruption) {
        Thread self = Thread.currentThread();
        interruption.check();
        interruption.onInterrupt(self::interrupt);
        try {
            statistics.begin(prompts.stream().mapToLong(prompt -> prompt.length).sum(), prompts.size());
            return generator.complete(prompts, sampling, (sequence, token) -> {
                statistics.token();
                listener.accept(token);
            });
        } finally {
            interruption.onInterrupt(() -> {});
            if (interruption.happened()) {
                Thread.interrupted(); // heard
            }
        }
    }
}
