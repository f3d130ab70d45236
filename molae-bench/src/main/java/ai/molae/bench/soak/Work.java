package ai.molae.bench.soak;

import java.io.IOException;

/** Something that a program does with the library, from opening to closing all that it needs. */
@FunctionalInterface
interface Work {

    /**
     * Does it. Nothing may be held afterwards, in memory, in files or in threads.
     *
     * @param seed of its weights and draws
     * @return what came out, to the last bit: equal seeds must give equal results, however often and after whatever else
     * @throws IOException if a file cannot be read or written
     * @throws InterruptedException if the thread is interrupted while it waits for others
     */
    String run(long seed) throws IOException, InterruptedException;
}
