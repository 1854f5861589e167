// SPDX-License-Identifier: Apache-2.0
// Front PORT BACK WORKERS - one selector thread reads the requests, a pool of workers serves them: each call of a request is a
// CompletableFuture of the pool, and the last one to end answers. Connections to the back are shared. Ends at SIGTERM.
import java.io.DataInputStream;
import java.io.FileWriter;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;

public class Front {
	static final long TO_FRONT = 0x5bd1e995a3c4f871L, FROM_FRONT = 0xc2b2ae3d27d4eb4fL, TO_BACK = 0x165667b19e3779f9L;
	static final ConcurrentLinkedQueue<String> lines = new ConcurrentLinkedQueue<>();
	static final ConcurrentLinkedDeque<Back> free = new ConcurrentLinkedDeque<>();
	static int back;

	static String text(InetSocketAddress a) {
		return a.getAddress().getHostAddress() + ":" + a.getPort();
	}

	static ByteBuffer pack(long veiled, int fan, int work) {
		Random random = ThreadLocalRandom.current();
		byte[] padding = new byte[random.nextInt(200)];
		random.nextBytes(padding);
		ByteBuffer data = ByteBuffer.allocate(20 + padding.length);
		data.putInt(16 + padding.length).putLong(veiled).putInt(fan).putInt(work).put(padding).flip();
		return data;
	}

	/* A connection to the back: one call at a time. */
	static class Back {
		final Socket socket = new Socket("127.0.0.1", back);
		final DataInputStream in = new DataInputStream(socket.getInputStream());
		final String ends = text((InetSocketAddress) socket.getLocalSocketAddress()) + " "
			+ text((InetSocketAddress) socket.getRemoteSocketAddress());
		long sent;

		Back() throws IOException {
			socket.setTcpNoDelay(true);
		}

		void call(long uid, int fan, int work) throws IOException {
			ByteBuffer data = pack(uid ^ TO_BACK, fan, work);
			lines.add("C " + uid + " " + ends + " " + sent + "\n");
			sent += data.remaining();
			socket.getOutputStream().write(data.array(), 0, data.limit());
			in.readNBytes(in.readInt());
		}
	}

	static void call(long uid, int fan, int work) {
		try {
			Back b = free.pollFirst();
			if (b == null)
				b = new Back();
			b.call(uid, fan, work);
			free.addFirst(b);
		} catch (IOException e) {
			throw new RuntimeException(e);
		}
	}

	/* A client. */
	static class Client {
		final SocketChannel channel;
		final String ends;
		final ByteBuffer buffer = ByteBuffer.allocate(4096);
		long taken;

		Client(SocketChannel channel) throws IOException {
			this.channel = channel;
			channel.configureBlocking(false);
			channel.socket().setTcpNoDelay(true);
			ends = text((InetSocketAddress) channel.getLocalAddress()) + " " + text((InetSocketAddress) channel.getRemoteAddress());
		}

		void answer(long uid, int fan, int work) {
			try {
				ByteBuffer data = pack(uid ^ FROM_FRONT, fan, work);
				while (data.hasRemaining())
					channel.write(data);
			} catch (IOException e) {
				throw new RuntimeException(e);
			}
		}

		boolean read(ExecutorService workers) throws IOException {
			if (channel.read(buffer) < 0)
				return false;
			buffer.flip();
			while (buffer.remaining() >= 4 && buffer.remaining() >= 4 + buffer.getInt(buffer.position())) {
				int size = buffer.getInt();
				long uid = buffer.getLong() ^ TO_FRONT;
				int fan = buffer.getInt(), work = buffer.getInt();
				buffer.position(buffer.position() + size - 16);
				lines.add("R " + Long.toUnsignedString(uid) + " " + ends + " " + taken + "\n");
				taken += 4 + size;
				CompletableFuture<?>[] calls = new CompletableFuture<?>[fan];
				for (int i = 0; i < fan; i++)
					calls[i] = CompletableFuture.runAsync(() -> call(uid, fan, work), workers);
				CompletableFuture.allOf(calls).thenRun(() -> answer(uid, fan, work));
			}
			buffer.compact();
			return true;
		}
	}

	public static void main(String[] args) throws Exception {
		back = Integer.parseInt(args[1]);
		ExecutorService workers = Executors.newFixedThreadPool(Integer.parseInt(args[2]));
		Selector selector = Selector.open();
		ServerSocketChannel listener = ServerSocketChannel.open();
		listener.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 256);
		listener.configureBlocking(false);
		listener.register(selector, SelectionKey.OP_ACCEPT);
		Runtime.getRuntime().addShutdownHook(new Thread(() -> {
			try (FileWriter to = new FileWriter(System.getenv("ORACLE") + "/" + ProcessHandle.current().pid() + ".log")) {
				for (String line : lines)
					to.write(line);
			} catch (IOException e) {
				e.printStackTrace();
			}
		}));
		System.out.println("ready");
		for (;;) {
			selector.select();
			for (SelectionKey key : selector.selectedKeys()) {
				if (key.isAcceptable()) {
					Client client = new Client(listener.accept());
					client.channel.register(selector, SelectionKey.OP_READ, client);
				} else if (!((Client) key.attachment()).read(workers)) {
					key.channel().close();
				}
			}
			selector.selectedKeys().clear();
		}
	}
}
