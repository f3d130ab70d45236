package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.spec.ModelPresets;
import org.junit.jupiter.api.Test;

/** The command around its subcommands. */
class MainTest {

    @Test
    void helpNamesTheCommands() {
        CommandRun run = CommandRun.of("--help");

        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).contains("quickstart", "plan", "inspect", "generate", "eval", "train", "Exit codes:");
    }

    @Test
    void helpOfPlanNamesOptionsAndPresets() {
        CommandRun run = CommandRun.of("plan", "--help");

        assertThat(run.exitCode()).isZero();
        assertThat(run.out().replaceAll("\\s+", "")).contains(String.join(",", ModelPresets.names()));
        assertThat(run.out()).contains("--latent=r", "--group-size=k", "--tied", "--format=");
    }

    @Test
    void printsItsVersion() {
        for (String[] args : new String[][] {{"--version"}, {"plan", "--version"}}) {
            CommandRun run = CommandRun.of(args);

            assertThat(run.exitCode()).isZero();
            assertThat(run.out()).startsWith("molae ");
        }
    }

    @Test
    void whatIsNoPathIsSaidWithoutTheNameOfAnException() {
        CommandRun run = CommandRun.of("inspect", "a\0b");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("is no path: Nul character not allowed").doesNotContain("Exception");
    }

    @Test
    void completesOptionsAndPresetsInTheShell() {
        CommandRun run = CommandRun.of("generate-completion");

        assertThat(run.exitCode()).isZero();
        assertThat(run.out())
                .startsWith("#!/usr/bin/env bash")
                .contains("--preset", "--group-size", "DeepSeek-V3")
                .contains("--lora-targets", "kv_b_proj", "--prefill-chunk", "bfloat16", "markdown");
    }

    @Test
    void refusesAnUnknownCommand() {
        CommandRun run = CommandRun.of("plant");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("'plant'");
    }

    /** Picocli would take the last and forget what else was said in its group, here the batch. */
    @Test
    void refusesAnOptionThatIsGivenTwice() {
        CommandRun run = CommandRun.ofLine("plan --preset Mixtral-8x7B --tokens 7 --batch 2 --tokens 8");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("--tokens is given 2 times; give it once");
    }

    @Test
    void asksForACommandWhenThereIsNone() {
        CommandRun run = CommandRun.of();

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("which command?");
    }
}
