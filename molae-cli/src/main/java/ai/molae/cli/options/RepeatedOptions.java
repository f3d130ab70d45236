package ai.molae.cli.options;

import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.ParseResult.GroupMatch;

/**
 * Refuses an option that is given twice. Picocli does so by itself, but not in a group of options that it does not validate: there it starts
 * the group anew and forgets all others.
 */
public final class RepeatedOptions {

    private RepeatedOptions() {}

    /**
     * Checks a command line.
     *
     * @param result what was parsed
     * @throws ParameterException if an option that takes one value has two
     */
    public static void refuse(ParseResult result) {
        for (CommandLine command : result.asCommandLineList()) {
            for (ArgGroupSpec group : command.getCommandSpec().argGroups()) {
                List<GroupMatch> matches = command.getParseResult().findMatches(group).stream()
                        .flatMap(container -> container.matches().stream())
                        .toList();
                for (ArgSpec argument : group.allOptionsNested()) {
                    long times = matches.stream()
                            .filter(match -> !match.matchedValues(argument).isEmpty())
                            .count();
                    if (times > 1) {
                        throw new ParameterException(
                                command,
                                ((OptionSpec) argument).longestName() + " is given " + times + " times; give it once");
                    }
                }
            }
        }
    }
}
