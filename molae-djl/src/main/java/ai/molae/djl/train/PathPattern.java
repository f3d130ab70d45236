package ai.molae.djl.train;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The patterns of {@link ParameterGroup}. */
final class PathPattern {

    private static final Pattern PART = Pattern.compile("\\*\\*|\\*|[^*]+");

    private final Pattern regex;

    PathPattern(String glob) {
        StringBuilder pattern = new StringBuilder();
        Matcher parts = PART.matcher(glob);
        while (parts.find()) {
            pattern.append(
                    switch (parts.group()) {
                        case "**" -> ".*";
                        case "*" -> "[^.]*";
                        default -> Pattern.quote(parts.group());
                    });
        }
        regex = Pattern.compile(pattern.toString());
    }

    boolean matches(String path) {
        return regex.matcher(path).matches();
    }
}
