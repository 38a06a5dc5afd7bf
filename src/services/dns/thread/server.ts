import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { FrameReader, framed, numericLookup } from './exchange.ts';
import type { Transport } from './responder.ts';

/** Gives the response to a packet at once, later, or never. */
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

/** Serves datagrams on a bound socket, which it owns from now on. Returns the end. */
export function serveUdp(fd: number, handler: Handler): () => void {
  const socket: UdpSocket = createSocket({ type: 'udp4', lookup: numericLookup });
  // A client that is gone already: its answer comes back as an error, which concerns nobody.
  socket.on('error', () => {});
  const ignore = (): void => {};
  socket.on('message', (packet, { port, address }) => {
    const response = handler(packet, 'udp');
    if (response === undefined) return;
    if (response instanceof Promise) void response.then((late) => open && socket.send(late, port, address, ignore));
    else socket.send(response, port, address, ignore);
  });
  let open = true;
  socket.bind({ fd });
  return () => {
    if (!open) return;
    open = false;
    socket.close();
  };
}

/** Serves connections on a listening socket, which it owns from now on. Returns the end. */
export function serveTcp(fd: number, handler: Handler, options: ServerOptions = {}): () => void {
  const connections = new Set<Socket>();
  const server: Server = createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    serveConnection(socket, handler, options.idleMs ?? IDLE_MS);
  });
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  server.on('error', () => {});
  server.listen({ fd });
  return () => {
    server.close();
    for (const socket of connections) socket.destroy();
  };
}

/** Answers go out as they are ready, not in the order of the queries (RFC 7766, 6.2.1.1). */
function serveConnection(socket: Socket, handler: Handler, idleMs: number): void {
  const frames = new FrameReader(MAX_QUERY_SIZE);
  let pending = 0;
  let ended = false;
  socket.setNoDelay(true);
  socket.setTimeout(idleMs, () => socket.destroy());
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
