package ai.molae.bench.measure;

import java.lang.management.ManagementFactory;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/**
 * What the JVM itself holds from {@code malloc}: memory of its compiler threads above all, which grows by ten megabytes while they work and is given back
 * seconds later. Known only under {@code -XX:NativeMemoryTracking=summary}.
 */
final class JvmMemory {

    /** A category and its malloc: {@code -  Compiler (reserved=..)}, then {@code (malloc=123KB #45)} before the next category. */
    private static final Pattern CATEGORY = Pattern.compile("-\\s+([A-Z][^(\\n]*) \\(reserved=");

    private static final Pattern MALLOC = Pattern.compile("\\((?:malloc|arena|tracking overhead)=(\\d+)KB");

    /** Memory that Java code asked for, direct buffers among it: the program's, not the JVM's. */
    private static final String OF_JAVA = "Other";

    private JvmMemory() {}

    /**
     * Asks the JVM.
     *
     * @return bytes, without Java's direct buffers; 0 if it does not keep track
     */
    static long allocated() {
        try {
            MBeanServer server = ManagementFactory.getPlatformMBeanServer();
            Object report = server.invoke(
                    new ObjectName("com.sun.management:type=DiagnosticCommand"),
                    "vmNativeMemory",
                    new Object[] {new String[] {"summary"}},
                    new String[] {String[].class.getName()});
            return sum(report.toString());
        } catch (JMException e) {
            return 0; // another JVM
        }
    }

    static long sum(String report) {
        long kilobytes = 0;
        String category = OF_JAVA;
        for (String line : report.lines().toList()) {
            Matcher heading = CATEGORY.matcher(line);
            if (heading.find()) {
                category = heading.group(1);
            }
            // Arenas lie in chunks, and the chunks in use are counted as arenas, the others as chunks.
            Matcher malloc = MALLOC.matcher(line);
            if (malloc.find() && !category.equals(OF_JAVA)) {
                kilobytes += Long.parseLong(malloc.group(1));
            }
        }
        return 1024 * kilobytes;
    }
}
