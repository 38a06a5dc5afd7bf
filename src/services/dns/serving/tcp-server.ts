import { createServer, type Server, type Socket } from 'node:net';
import { FrameReader, framed } from '../forwarding/index.ts';
import type { Transport } from '../wire/index.ts';

/** Gives the response to a packet at once, later, or never. The packet is valid only during the call. */
export type Handler = (packet: Buffer, transport: Transport) => Buffer | Promise<Buffer> | undefined;

export interface ServerOptions {
  readonly idleMs?: number;
  readonly maxConnections?: number;
}

/** More than what forwarding may take with three silent servers. */
const IDLE_MS = 15_000;
const MAX_CONNECTIONS = 256;
/** Of one connection: unanswered queries, and bytes of answers it has not read. Beyond it, we stop reading. */
const MAX_PENDING = 64;
const MAX_UNREAD_BYTES = 1 << 18;
/** No query is larger; collecting a message that comes byte by byte must not cost much. */
const MAX_QUERY_SIZE = 4096;
/** Of an end with grace: what clients have sent already is answered. */
const GRACE_MS = 500;

/** Ends a server: at once, or when those that are connected have their answers. */
export type EndServer = (options?: { readonly gracefully: boolean }) => void;

/** Serves connections on a listening socket, which it owns from now on. Returns the end. */
export function serveTcp(fd: number, handler: Handler, options: ServerOptions = {}): EndServer {
  const connections = new Set<Socket>();
  const maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  const server: Server = createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('data', () => {
      connections.delete(socket);
      connections.add(socket);
    });
    // Whoever has said nothing for longest gives way: half-open clients cannot keep others out.
    const [oldest] = connections;
    if (connections.size > maxConnections) oldest?.destroy();
    serveConnection(socket, handler, options.idleMs ?? IDLE_MS);
  });
  server.on('error', () => {});
  server.listen({ fd });
  return ({ gracefully } = { gracefully: false }) => {
    server.close();
    for (const socket of connections) {
      if (gracefully) socket.setTimeout(GRACE_MS);
      else socket.destroy();
    }
  };
}

/** Answers go out as they are ready, not in the order of the queries (RFC 7766, 6.2.1.1). */
function serveConnection(socket: Socket, handler: Handler, idleMs: number): void {
  const frames = new FrameReader(MAX_QUERY_SIZE);
  let pending = 0;
  let ended = false;
  socket.setNoDelay(true);
  // What is awaited from elsewhere comes or fails in bounded time, and then it goes on.
  socket.setTimeout(idleMs, () => pending === 0 && socket.destroy());
  socket.on('error', () => socket.destroy());
  const throttle = (): void => {
    const full = pending >= MAX_PENDING || socket.writableLength >= MAX_UNREAD_BYTES;
    if (full) socket.pause();
    else socket.resume();
  };
  const answered = (response: Buffer | undefined): void => {
    pending -= 1;
    if (socket.destroyed) return;
    if (response !== undefined) socket.write(framed(response));
    if (ended && pending === 0) socket.end();
    else throttle();
  };
  socket.on('drain', throttle);
  const take = (packet: Buffer): void => {
    pending += 1;
    const response = handler(packet, 'tcp');
    if (response instanceof Promise) void response.then(answered);
    else answered(response);
  };
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const packet of frames.push(chunk)) take(packet);
      throttle();
    } catch {
      // Not a DNS client.
      socket.destroy();
    }
  });
  socket.on('end', () => {
    ended = true;
    if (pending === 0) socket.end();
  });
}
