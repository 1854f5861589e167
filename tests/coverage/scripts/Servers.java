// SPDX-License-Identifier: Apache-2.0
// An HTTP server and an echo server of channels and selectors; with "client", one of each as a client.
import com.sun.net.httpserver.HttpServer;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.util.Iterator;
import java.util.concurrent.Executors;

public class Servers {
	public static void main(String[] a) throws Exception {
		if (a[0].equals("client")) {
			client(Integer.parseInt(a[1]), Integer.parseInt(a[2]));
			return;
		}
		HttpServer web = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0])), 0);
		web.createContext("/", e -> {
			byte[] body = e.getRequestURI().getPath().repeat(20).getBytes();
			e.sendResponseHeaders(200, body.length);
			e.getResponseBody().write(body);
			e.close();
		});
		web.setExecutor(Executors.newFixedThreadPool(3));
		web.start();
		echo(Integer.parseInt(a[1]));
	}

	static void echo(int port) throws IOException {
		Selector selector = Selector.open();
		ServerSocketChannel listener = ServerSocketChannel.open();
		listener.bind(new InetSocketAddress("127.0.0.1", port));
		listener.configureBlocking(false);
		listener.register(selector, SelectionKey.OP_ACCEPT);
		ByteBuffer[] room = {ByteBuffer.allocateDirect(100), ByteBuffer.allocateDirect(65536)};
		for (;;) {
			selector.select();
			for (Iterator<SelectionKey> it = selector.selectedKeys().iterator(); it.hasNext(); it.remove()) {
				SelectionKey key = it.next();
				if (key.isAcceptable()) {
					SocketChannel c = listener.accept();
					c.configureBlocking(false);
					c.register(selector, SelectionKey.OP_READ);
				} else {
					turn((SocketChannel) key.channel(), room);
				}
			}
		}
	}

	static void turn(SocketChannel c, ByteBuffer[] room) throws IOException {
		room[0].clear();
		room[1].clear();
		if (c.read(room) < 0) {
			c.close();
			return;
		}
		room[0].flip();
		room[1].flip();
		while (room[0].hasRemaining() || room[1].hasRemaining())
			c.write(room);
	}

	static void client(int http, int echo) throws Exception {
		for (int i = 0; i < 5; i++) {
			URLConnection u = new URL("http://127.0.0.1:" + http + "/client").openConnection();
			System.out.println(u.getInputStream().readAllBytes().length);
		}
		try (Socket s = new Socket("127.0.0.1", echo)) {
			s.getOutputStream().write(new byte[5000]);
			System.out.println(s.getInputStream().readNBytes(5000).length);
		}
		File file = File.createTempFile("dprof", "bytes");
		file.deleteOnExit();
		try (FileOutputStream out = new FileOutputStream(file)) {
			out.write(new byte[20000]);
		}
		try (SocketChannel c = SocketChannel.open(new InetSocketAddress("127.0.0.1", echo)); FileInputStream in = new FileInputStream(file)) {
			System.out.println(in.getChannel().transferTo(0, 20000, c));
			System.out.println(c.socket().getInputStream().readNBytes(20000).length);
		}
		Socket blocked = new Socket("127.0.0.1", echo);
		Thread reader = new Thread(() -> {
			try {
				blocked.getInputStream().read();
			} catch (IOException e) {
				System.out.println("closed");
			}
		});
		reader.start();
		while (reader.getState() != Thread.State.RUNNABLE)
			Thread.onSpinWait();
		blocked.close();
		reader.join();
	}
}
