package ai.molae.djl.train.metrics;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * TensorFlow's {@code Event} message, and the frame that a record has in a file: {@code uint64 length, uint32 masked crc of the length, the bytes,
 * uint32 masked crc of the bytes}, little-endian.
 */
final class EventRecord {

    // Field numbers of event.proto, summary.proto and histogram.proto.
    private static final int WALL_TIME = 1;
    private static final int STEP = 2;
    private static final int FILE_VERSION = 3;
    private static final int SUMMARY = 5;
    private static final int SESSION_LOG = 7;
    private static final int STATUS = 1;
    private static final int STATUS_START = 1;
    private static final int VALUE = 1;
    private static final int TAG = 1;
    private static final int SIMPLE_VALUE = 2;
    private static final int HISTOGRAM = 5;

    private final ProtoMessage event;
    private final ProtoMessage summary = new ProtoMessage();

    /** An event at a step; a time in seconds since 1970. */
    EventRecord(double wallTime, long step) {
        event = new ProtoMessage().real(WALL_TIME, wallTime);
        if (step != 0) {
            event.integer(STEP, step);
        }
    }

    /** What a file begins with. */
    static byte[] version(double wallTime) {
        return framed(new EventRecord(wallTime, 0).event.text(FILE_VERSION, "brain.Event:2"));
    }

    /** That training starts anew at a step, so that what files before say of it and later ones is void. */
    static byte[] restart(double wallTime, long step) {
        ProtoMessage log = new ProtoMessage().integer(STATUS, STATUS_START);
        return framed(new EventRecord(wallTime, step).event.message(SESSION_LOG, log));
    }

    /** Adds a number, unless it is unknown. */
    EventRecord scalar(String tag, double value) {
        if (Double.isFinite(value)) {
            summary.message(VALUE, new ProtoMessage().text(TAG, tag).real(SIMPLE_VALUE, (float) value));
        }
        return this;
    }

    /** Adds a histogram with one bar per element: bar i from i to i + 1. */
    EventRecord bars(String tag, long[] counts) {
        double[] limits = new double[counts.length];
        double[] bars = new double[counts.length];
        double total = 0;
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < counts.length; i++) {
            limits[i] = i + 1;
            bars[i] = counts[i];
            total += bars[i];
            sum += (i + 0.5) * bars[i];
            squares += (i + 0.5) * (i + 0.5) * bars[i];
        }
        ProtoMessage histogram = new ProtoMessage()
                .real(1, 0.0)
                .real(2, (double) counts.length)
                .real(3, total)
                .real(4, sum)
                .real(5, squares)
                .reals(6, limits)
                .reals(7, bars);
        summary.message(VALUE, new ProtoMessage().text(TAG, tag).message(HISTOGRAM, histogram));
        return this;
    }

    /** The event with all that was added. */
    byte[] framed() {
        return framed(event.message(SUMMARY, summary));
    }

    private static byte[] framed(ProtoMessage message) {
        byte[] data = message.toByteArray();
        ByteBuffer record = ByteBuffer.allocate(Long.BYTES + data.length + 2 * Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(data.length);
        record.putInt(maskedCrc(record.array(), Long.BYTES));
        return record.put(data).putInt(maskedCrc(data, data.length)).array();
    }

    /** CRC-32C, rotated and moved, because the crc of bytes that hold their crc says little. */
    static int maskedCrc(byte[] bytes, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, length);
        return Integer.rotateRight((int) crc.getValue(), 15) + 0xa282ead8;
    }
}
