// The thread that relays TCP: it waits for one queue of events and does what they ask, system call by system call. Node's event
// loop does not turn here, so orders are looked for when the queue is wakened.
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { EventQueue } from '../../kernel/streams/index.ts';
import { type Done, LISTENER, type Listening, type Order, type ThreadData } from './messages.ts';
import { CLIENT, TARGET, TcpConnections } from './tcp-connections.ts';

const { queue: handle, port, listening } = workerData as ThreadData;
const queue = new EventQueue(handle);
const listeners = new Map<number, Listening>(listening.map((one) => [one.id, one]));
using connections = new TcpConnections(queue);
let ending = false;

function obey(order: Order): void {
  switch (order.kind) {
    case 'listen':
      for (const one of order.listening) listeners.set(one.id, one);
      return;
    case 'close': {
      for (const id of order.ids) listeners.delete(id);
      connections.closeOf(new Set(order.ids));
      const done: Done = { ticket: order.ticket };
      port.postMessage(done);
      return;
    }
    case 'end':
      ending = true;
  }
}

function obeyAll(): void {
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    obey(next.message as Order);
  }
}

function accept(id: number): void {
  if (!listeners.has(id)) obeyAll();
  const listener = listeners.get(id);
  if (listener !== undefined) connections.accept(id, listener.fd, listener.address);
}

while (!ending) {
  const wakened = queue.take(({ kind, id, over }) => {
    if (kind === LISTENER) accept(id);
    else if (kind === CLIENT || kind === TARGET) connections.happened(id, kind, over);
  }, !connections.busy);
  if (wakened) obeyAll();
  connections.goOn();
}
