package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PrefetcherTest {

    private final PackedWindows windows =
            new PackedWindows(IntStream.range(0, 42).toArray(), 4, 1);

    /** The windows, seen by a test. */
    private abstract class Watched implements TrainingData {
        @Override
        public long size() {
            return windows.size();
        }

        @Override
        public int sequenceLength() {
            return windows.sequenceLength();
        }

        @Override
        public TokenBatch inOrder(long first, int count) {
            return windows.inOrder(first, count);
        }

        @Override
        public String fingerprint() {
            return windows.fingerprint();
        }
    }

    @Test
    void givesTheBatchesOfTheDataInTheirOrder() {
        try (Prefetcher batches = new Prefetcher(windows, 5, 3, 2)) {
            for (int i = 0; i < 20; i++) {
                assertThat(batches.position()).isEqualTo(5 + 3L * i);
                TokenBatch batch = batches.next();
                TokenBatch expected = windows.shuffled(5 + 3L * i, 3);
                assertThat(batch.inputs()).isEqualTo(expected.inputs());
                assertThat(batch.labels()).isEqualTo(expected.labels());
            }
            assertThat(batches.position()).isEqualTo(65);
        }
    }

    @Test
    void worksOnAThreadOfItsOwnAndNotFurtherAheadThanAsked() throws InterruptedException {
        AtomicLong furthest = new AtomicLong();
        CountDownLatch twoMade = new CountDownLatch(2);
        Thread[] maker = new Thread[1];
        TrainingData watched = new Watched() {
            @Override
            public TokenBatch shuffled(long position, int count) {
                maker[0] = Thread.currentThread();
                furthest.set(position);
                twoMade.countDown();
                return windows.shuffled(position, count);
            }
        };
        try (Prefetcher batches = new Prefetcher(watched, 0, 1, 2)) {
            twoMade.await();
            for (int taken = 1; taken <= 10; taken++) {
                batches.next();
                assertThat(furthest.get()).isLessThanOrEqualTo(taken + 2L);
            }
        }
        assertThat(maker[0]).isNotSameAs(Thread.currentThread());
        assertThat(maker[0].isDaemon()).isTrue();
        assertThat(maker[0].isAlive()).as("after close").isFalse();
    }

    @Test
    void anErrorComesAfterTheBatchesBeforeItAndStays() {
        TrainingData broken = new Watched() {
            @Override
            public TokenBatch shuffled(long position, int count) {
                if (position >= 4) {
                    throw new TokenShardsException(Path.of("tokens-00003.bin"), "is damaged");
                }
                return windows.shuffled(position, count);
            }
        };
        try (Prefetcher batches = new Prefetcher(broken, 0, 2, 5)) {
            batches.next();
            assertThat(batches.next().inputs()).isEqualTo(windows.shuffled(2, 2).inputs());
            for (int i = 0; i < 2; i++) {
                assertThatThrownBy(batches::next)
                        .isInstanceOf(TokenShardsException.class)
                        .hasMessageContaining("tokens-00003.bin: is damaged");
            }
            assertThat(batches.position()).isEqualTo(4);
        }
    }

    @Test
    void closingEndsAThreadThatWaitsForRoomAndAConsumerThatWaitsForABatch() throws InterruptedException {
        Prefetcher full = new Prefetcher(windows, 0, 1, 1);
        full.next();
        full.close();
        assertThatThrownBy(full::next).isInstanceOf(IllegalStateException.class).hasMessageContaining("closed");

        CountDownLatch never = new CountDownLatch(1);
        CountDownLatch begun = new CountDownLatch(1);
        TrainingData slow = new Watched() {
            @Override
            public TokenBatch shuffled(long position, int count) {
                begun.countDown();
                try {
                    never.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                return windows.shuffled(position, count);
            }
        };
        Prefetcher waiting = new Prefetcher(slow, 0, 1, 1);
        begun.await();
        Throwable[] thrown = new Throwable[1];
        Thread consumer = new Thread(() -> {
            try {
                waiting.next();
            } catch (IllegalStateException e) {
                thrown[0] = e;
            }
        });
        consumer.start();
        Thread closer = new Thread(waiting::close);
        closer.start();
        consumer.join();
        assertThat(thrown[0]).hasMessageContaining("closed");
        never.countDown();
        closer.join();
    }

    @Test
    void refusesNumbersOutOfRange() {
        assertThatThrownBy(() -> new Prefetcher(windows, -1, 1, 1)).hasMessageContaining("-1, 1 and 1");
        assertThatThrownBy(() -> new Prefetcher(windows, 0, 0, 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Prefetcher(windows, 0, 1, 0)).isInstanceOf(IllegalArgumentException.class);
    }
}
