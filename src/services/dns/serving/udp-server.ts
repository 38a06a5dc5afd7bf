import { createSocket, type Socket } from 'node:dgram';
import { parseIp } from '../../../base/index.ts';
import { type DatagramBatch, duplicateFd, peerAddress } from '../../../kernel/index.ts';
import { numericLookup } from '../forwarding/index.ts';
import type { Handler } from './tcp-server.ts';

/** After this many batches others have their turn. */
const MAX_BATCHES = 4;

/**
 * Serves datagrams on a bound socket, which it owns from now on. Returns the end: it stops reading; answers that are still
 * awaited go out. Node says when something is there and reads the first datagram; the rest is read and answered many at a
 * time, in memory that is used again, which takes a third off the processor time of each.
 */
export function serveUdp(fd: number, handler: Handler, batch: DatagramBatch): () => void {
  const socket: Socket = createSocket({ type: 'udp4', lookup: numericLookup });
  // Of our own, to answer with: also when Node's has been closed.
  const own = duplicateFd(fd);
  let open = true;
  let awaited = 0;
  const closeIfDone = (): void => {
    if (open || awaited > 0) return;
    batch.flush();
    own.close();
  };
  const answerLate = async (response: Promise<Buffer>, peer: Uint8Array): Promise<void> => {
    awaited += 1;
    try {
      // Those that come together go out together.
      batch.reply(own.fd, await response, peer);
      batch.flushSoon();
    } finally {
      awaited -= 1;
      closeIfDone();
    }
  };
  const take = (packet: Buffer, peer: Uint8Array): void => {
    const response = handler(packet, 'udp');
    if (response instanceof Promise) void answerLate(response, Uint8Array.from(peer));
    else if (response !== undefined) batch.reply(own.fd, response, peer);
  };
  // A client that is gone already: its answer comes back as an error, which concerns nobody.
  socket.on('error', () => {});
  socket.on('message', (packet, { port, address }) => {
    take(packet, peerAddress(parseIp(address), port));
    for (let round = 0; round < MAX_BATCHES; round += 1) {
      const count = batch.receive(own.fd);
      for (let index = 0; index < count; index += 1) take(batch.data(index), batch.peer(index));
      if (count < batch.slots) break;
    }
    batch.flush();
  });
  socket.bind({ fd });
  return () => {
    if (!open) return;
    open = false;
    socket.close();
    closeIfDone();
  };
}
