import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Clock, Ip } from '../../base/index.ts';
import { type NetnsHandle, openUdpSocketOn } from '../../kernel/index.ts';
import { CLIENT_PORT, SERVER_PORT } from './packet.ts';

interface Told {
  readonly ns: NetnsHandle;
  readonly ifname: string;
  readonly message: Uint8Array;
  /** Absent: every server on the link. */
  readonly server?: Ip | undefined;
}

interface Asked<T> extends Told {
  readonly clock: Clock;
  readonly waitMs: number;
  /** The answer that was waited for; undefined: go on waiting. */
  readonly accept: (message: Uint8Array) => T | undefined;
}

const EVERYBODY = '255.255.255.255';

/** For a link that has its address: as any program speaks. Undefined when no answer came. */
export async function askServer<T>(asked: Asked<T>): Promise<T | undefined> {
  await using conversation = await open(asked);
  const { socket } = conversation;
  const answered = new Promise<T | undefined>((resolve, reject) => {
    const cancel = asked.clock.after(asked.waitMs, () => resolve(undefined));
    socket.on('error', (error) => {
      cancel();
      reject(error);
    });
    socket.on('message', (message, { port }) => {
      const answer = port === SERVER_PORT ? asked.accept(message) : undefined;
      if (answer === undefined) return;
      cancel();
      resolve(answer);
    });
  });
  // Sending may fail first.
  answered.catch(() => {});
  await send(socket, asked);
  return await answered;
}

/** Nobody answers. */
export async function tellServer(told: Told): Promise<void> {
  await using conversation = await open(told);
  await send(conversation.socket, told);
}

async function open({ ns, ifname }: Told): Promise<AsyncDisposable & { readonly socket: Socket }> {
  const socket = createSocket('udp4');
  const listening = once(socket, 'listening');
  socket.bind({ fd: openUdpSocketOn(ns, ifname, CLIENT_PORT) });
  await listening;
  const close = (): Promise<void> => new Promise((resolve) => socket.close(() => resolve()));
  return { socket, [Symbol.asyncDispose]: close };
}

function send(socket: Socket, { message, server }: Told): Promise<void> {
  if (server === undefined) socket.setBroadcast(true);
  return new Promise((resolve, reject) => {
    socket.send(message, SERVER_PORT, server ?? EVERYBODY, (error) => (error ? reject(error) : resolve()));
  });
}
