package ai.molae.cli.options;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads amounts of memory: {@code 8GB}, {@code 500 MB}, {@code 1.5GiB}, or plain bytes. */
public final class ByteSize implements ITypeConverter<Long> {

    private static final Pattern SIZE = Pattern.compile("(\\d+(?:\\.\\d+)?) *([A-Z]*)");

    private static final Map<String, Long> UNITS = Map.of(
            "",
            1L,
            "B",
            1L,
            "KB",
            1000L,
            "MB",
            1_000_000L,
            "GB",
            1_000_000_000L,
            "TB",
            1_000_000_000_000L,
            "KIB",
            1L << 10,
            "MIB",
            1L << 20,
            "GIB",
            1L << 30);

    /** Made by picocli. */
    public ByteSize() {}

    @Override
    public Long convert(String value) {
        Matcher matcher = SIZE.matcher(value.strip().toUpperCase(Locale.ROOT));
        if (matcher.matches() && UNITS.containsKey(matcher.group(2))) {
            BigDecimal bytes =
                    new BigDecimal(matcher.group(1)).multiply(BigDecimal.valueOf(UNITS.get(matcher.group(2))));
            if (bytes.compareTo(BigDecimal.ONE) >= 0 && bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) < 0) {
                return bytes.longValue();
            }
        }
        throw new TypeConversionException("expected an amount of memory such as 8GB or 500MB but was '" + value + "'");
    }
}
