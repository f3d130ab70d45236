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
        assertThat(run.out()).contains("quickstart", "plan", "Exit codes:");
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
    void completesOptionsAndPresetsInTheShell() {
        CommandRun run = CommandRun.of("generate-completion");

        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).startsWith("#!/usr/bin/env bash").contains("--preset", "--group-size", "DeepSeek-V3");
    }

    @Test
    void refusesAnUnknownCommand() {
        CommandRun run = CommandRun.of("plant");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("'plant'");
    }

    @Test
    void asksForACommandWhenThereIsNone() {
        CommandRun run = CommandRun.of();

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("which command?");
    }
}
