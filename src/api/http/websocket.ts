import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import { runHijack } from './hijack.ts';
import type { Hijack } from './route.ts';

/** A message is held in memory until it is whole; nobody types so much. */
const MESSAGE_LIMIT = 1 << 20;

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: MESSAGE_LIMIT,
});

export interface UpgradeRequest {
  readonly req: IncomingMessage;
  readonly stream: Duplex;
  /** Bytes that arrived together with the request. */
  readonly head: Buffer;
}

/**
 * Joins a WebSocket and the session until either ends. As Docker does it: binary messages whose borders mean nothing, both
 * outputs unframed in one, and the client's close ends stdin. A handshake that is none is answered with 400.
 */
export async function runWebSocket({ req, stream, head }: UpgradeRequest, { session }: Hijack): Promise<void> {
  stream.once('close', () => session.detach());
  const { promise, resolve } = Promise.withResolvers<WebSocket | undefined>();
  stream.once('close', () => resolve(undefined));
  server.handleUpgrade(req, stream, head, resolve);
  const socket = await promise;
  if (!socket) return;
  const messages = createWebSocketStream(socket);
  // A connection that breaks ends only the readable half by itself.
  socket.once('close', () => messages.once('end', () => messages.destroy()));
  const raw = { session: { ...session, tty: true }, multiplexedType: false };
  await runHijack({ stream: messages, head: Buffer.alloc(0), preamble: '' }, raw);
}
