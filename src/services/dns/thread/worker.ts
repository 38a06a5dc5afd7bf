// The resolver's thread. Everything it needs from outside comes as messages; it loads neither the kernel layer nor the
// store.
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { type Id, internal, messageOf } from '../../../base/index.ts';
import type { OpenElsewhere } from './exchange.ts';
import type { Change, FromWorker, SocketReply, ToWorker, WorkerOptions } from './protocol.ts';
import { Sandboxes } from './sandboxes.ts';

/** Answers are short and waited for; the daemon's other work can wait. */
const NICE = -10;

function start(port: NonNullable<typeof parentPort>, options: WorkerOptions): void {
  const waiting = new Map<number, (reply: SocketReply) => void>();
  let requests = 0;
  const tell = (message: FromWorker): void => port.postMessage(message);

  const openIn =
    (sandboxId: Id): OpenElsewhere =>
    async (transport, family) => {
      requests += 1;
      const request = requests;
      const { promise, resolve } = Promise.withResolvers<SocketReply>();
      waiting.set(request, resolve);
      tell({ op: 'open', request, sandboxId, transport, family });
      const { fd } = await promise;
      if (fd === undefined) throw internal('dns_no_socket', 'cannot open a socket in the sandbox');
      return fd;
    };

  const sandboxes = new Sandboxes(
    { openIn },
    {
      ...(options.upstreamPort !== undefined && { port: options.upstreamPort }),
      ...(options.upstreamTimeoutMs !== undefined && { timeoutMs: options.upstreamTimeoutMs }),
    },
  );
  const apply = (seq: number, change: Change): void => {
    try {
      sandboxes.apply(change);
      tell({ op: 'done', seq });
    } catch (error) {
      tell({ op: 'done', seq, error: messageOf(error) });
    }
    if (change.op === 'close') port.close();
  };

  port.on('message', (message: ToWorker) => {
    if (message.op === 'socket') {
      waiting.get(message.request)?.(message);
      waiting.delete(message.request);
    } else {
      apply(message.seq, message);
    }
  });
}

function raisePriority(): void {
  try {
    // On Linux 0 means the calling thread, not the process.
    setPriority(0, NICE);
  } catch {
    // Not allowed here: only slower under load.
  }
}

raisePriority();
if (parentPort !== null) start(parentPort, workerData as WorkerOptions);
