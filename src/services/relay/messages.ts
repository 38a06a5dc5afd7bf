import type { MessagePort } from 'node:worker_threads';
import type { EventQueueHandle } from '../../kernel/streams/index.ts';

/** The kind of an event: the first two are sides of a connection (`tcp-connections.ts`). */
export const LISTENER = 3;

/** A listening socket and where its connections go. */
export interface Listening {
  readonly id: number;
  readonly fd: number;
  /** A sockaddr. */
  readonly address: Uint8Array;
}

/** What the thread begins with. */
export interface ThreadData {
  readonly queue: EventQueueHandle;
  readonly port: MessagePort;
  readonly listening: readonly Listening[];
}

/** To the thread; it looks when the queue is wakened, and when it hears of a listener that it does not know. */
export type Order =
  | { readonly kind: 'listen'; readonly listening: readonly Listening[] }
  /** Done when the answer comes: the connections are closed, the listeners are not touched any more. */
  | { readonly kind: 'close'; readonly ids: readonly number[]; readonly ticket: number }
  | { readonly kind: 'end' };

/** From the thread. */
export interface Done {
  readonly ticket: number;
}
