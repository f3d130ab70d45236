package ai.molae.consumer;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * A JDK that consumers run on.
 *
 * @param home its folder
 * @param version its feature number: 17, 25, ...
 */
record Jdk(Path home, int version) {

    /** From this one on, code that calls native code warns unless it is allowed to. */
    private static final int NATIVE_ACCESS_IS_ASKED_FOR = 24;

    /** The one Maven runs on, which compiles everything. */
    static Jdk ofMaven() {
        return new Jdk(
                Path.of(System.getProperty("consumers.java.home")), Integer.getInteger("consumers.java.version"));
    }

    /** Maven's, and the one that runs the tests, where that is another. */
    static List<Jdk> all() {
        Jdk ofTests = new Jdk(
                Path.of(System.getProperty("java.home")), Runtime.version().feature());
        return Stream.of(ofMaven(), ofTests).distinct().toList();
    }

    /**
     * What a user adds to the command line.
     *
     * @param modules those that call native code; {@code ALL-UNNAMED} for the class path
     * @return no options where the JDK asks for none
     */
    List<String> nativeAccess(String... modules) {
        return version < NATIVE_ACCESS_IS_ASKED_FOR
                ? List.of()
                : List.of("--enable-native-access=" + String.join(",", modules));
    }

    /** What JMH needs besides, which reads object offsets by an old way. */
    List<String> unsafeMemoryAccess() {
        return version < NATIVE_ACCESS_IS_ASKED_FOR ? List.of() : List.of("--sun-misc-unsafe-memory-access=allow");
    }

    @Override
    public String toString() {
        return "JDK " + version;
    }
}
