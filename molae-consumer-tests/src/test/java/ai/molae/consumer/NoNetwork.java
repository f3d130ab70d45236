package ai.molae.consumer;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/** A network that goes nowhere: a proxy for everything that hangs up on whoever calls, and counts the calls. */
final class NoNetwork implements AutoCloseable {

    private final ServerSocket proxy;
    private final AtomicInteger calls = new AtomicInteger();

    NoNetwork() throws IOException {
        proxy = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
        Thread thread = new Thread(this::hangUp, "no network");
        thread.setDaemon(true);
        thread.start();
    }

    /** What makes a JVM send all that it sends through this proxy: by name for HTTP, as SOCKS for other sockets. */
    List<String> options() {
        String host = proxy.getInetAddress().getHostAddress();
        int port = proxy.getLocalPort();
        return List.of(
                "-Dhttp.proxyHost=" + host,
                "-Dhttp.proxyPort=" + port,
                "-Dhttps.proxyHost=" + host,
                "-Dhttps.proxyPort=" + port,
                "-DsocksProxyHost=" + host,
                "-DsocksProxyPort=" + port);
    }

    /** How often somebody tried to reach the network. */
    int calls() throws IOException {
        int before;
        // Calls are taken in their order: when this one has been hung up on, those before have been counted.
        try (Socket own = new Socket(proxy.getInetAddress(), proxy.getLocalPort())) {
            own.getInputStream().read();
            before = calls.decrementAndGet();
        }
        return before;
    }

    private void hangUp() {
        while (true) {
            try (Socket call = proxy.accept()) {
                calls.incrementAndGet();
            } catch (IOException e) {
                return;
            }
        }
    }

    @Override
    public void close() throws IOException {
        proxy.close();
    }
}
