package ai.molae.djl.train.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads event files by the published field numbers (event.proto, summary.proto, histogram.proto) and the wire format of Protocol Buffers, with a
 * checksum of its own, bit by bit.
 */
final class EventDecoder {

    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Histogram(double[] statistics, double[] limits, double[] counts) {}

    record Event(
            double wallTime,
            long step,
            String fileVersion,
            int sessionStatus,
            Map<String, Float> scalars,
            Map<String, Histogram> histograms) {}

    private record Field(int number, int wireType, long value, ByteBuffer bytes) {
        double real() {
            assertThat(wireType).isEqualTo(1);
            return Double.longBitsToDouble(value);
        }

        String text() {
            return StandardCharsets.UTF_8.decode(bytes.duplicate()).toString();
        }

        double[] reals() {
            double[] values = new double[bytes.remaining() / 8];
            bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer().get(values);
            return values;
        }
    }

    private EventDecoder() {}

    static List<Event> read(Path file) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<Event> events = new ArrayList<>();
        while (in.hasRemaining()) {
            int length = (int) in.slice().order(ByteOrder.LITTLE_ENDIAN).getLong();
            checked(in, Long.BYTES);
            events.add(event(checked(in, length)));
        }
        return events;
    }

    /** Bytes and the masked CRC-32C behind them. */
    private static ByteBuffer checked(ByteBuffer in, int length) {
        ByteBuffer bytes = in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN);
        in.position(in.position() + length);
        long crc = 0xffffffffL;
        for (int i = 0; i < length; i++) {
            crc ^= bytes.get(i) & 0xff;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc & 1) == 1 ? crc >>> 1 ^ 0x82f63b78L : crc >>> 1;
            }
        }
        crc ^= 0xffffffffL;
        long masked = ((crc >>> 15 | crc << 17) & 0xffffffffL) + 0xa282ead8L & 0xffffffffL;
        assertThat(in.getInt() & 0xffffffffL).isEqualTo(masked);
        return bytes;
    }

    private static List<Field> fields(ByteBuffer message) {
        ByteBuffer in = message.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        List<Field> fields = new ArrayList<>();
        while (in.hasRemaining()) {
            long tag = varint(in);
            int wireType = (int) (tag & 7);
            long value = 0;
            ByteBuffer bytes = ByteBuffer.allocate(0);
            if (wireType == 0) {
                value = varint(in);
            } else if (wireType == 1) {
                value = in.getLong();
            } else if (wireType == 5) {
                value = in.getInt();
            } else {
                assertThat(wireType).isEqualTo(2);
                int length = (int) varint(in);
                bytes = in.slice(in.position(), length);
                in.position(in.position() + length);
            }
            fields.add(new Field((int) (tag >>> 3), wireType, value, bytes));
        }
        return fields;
    }

    private static long varint(ByteBuffer in) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte b = in.get();
            value |= (b & 0x7fL) << shift;
            if (b >= 0) {
                return value;
            }
        }
    }

    private static Event event(ByteBuffer message) {
        double wallTime = 0;
        long step = 0;
        String version = "";
        int status = 0;
        Map<String, Float> scalars = new LinkedHashMap<>();
        Map<String, Histogram> histograms = new LinkedHashMap<>();
        for (Field field : fields(message)) {
            switch (field.number()) {
                case 1 -> wallTime = field.real();
                case 2 -> step = field.value();
                case 3 -> version = field.text();
                case 5 -> fields(field.bytes()).forEach(value -> read(value, scalars, histograms));
                case 7 -> status = (int) fields(field.bytes()).get(0).value();
                default -> throw new AssertionError("no field " + field.number() + " expected in an Event");
            }
        }
        return new Event(wallTime, step, version, status, scalars, histograms);
    }

    /** A Summary.Value: tag 1, simple_value 2, histo 5. */
    private static void read(Field value, Map<String, Float> scalars, Map<String, Histogram> histograms) {
        assertThat(value.number()).isEqualTo(1);
        List<Field> fields = fields(value.bytes());
        assertThat(fields).hasSize(2);
        assertThat(fields.get(0).number()).isEqualTo(1);
        String tag = fields.get(0).text();
        Field content = fields.get(1);
        if (content.number() == 2) {
            assertThat(content.wireType()).isEqualTo(5);
            scalars.put(tag, Float.intBitsToFloat((int) content.value()));
        } else {
            assertThat(content.number()).isEqualTo(5);
            List<Field> parts = fields(content.bytes());
            assertThat(parts.stream().map(Field::number)).containsExactly(1, 2, 3, 4, 5, 6, 7);
            histograms.put(
                    tag,
                    new Histogram(
                            parts.stream().limit(5).mapToDouble(Field::real).toArray(),
                            parts.get(5).reals(),
                            parts.get(6).reals()));
        }
    }
}
