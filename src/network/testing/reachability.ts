import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Ip } from '../../base/index.ts';
import { openNetns, openUdpSocketIn } from '../../kernel/index.ts';

const PORT = 9999;
const ROUND_MS = 100;
const ROUNDS = 100;

export interface Probe {
  /** For the message when it comes out otherwise. */
  readonly name: string;
  readonly from: Prober;
  readonly to: { readonly ip: Ip; readonly port?: number };
  readonly expected: boolean;
}

/** Answers datagrams in a namespace and asks others for theirs, with real packets. */
export class Prober implements AsyncDisposable {
  readonly #server: Socket;
  readonly #client: Socket;
  readonly #heard = new Set<string>();

  private constructor(server: Socket, client: Socket) {
    this.#server = server;
    this.#client = client;
    server.on('message', (message, { address, port }) => server.send(message, port, address, () => {}));
    client.on('message', (message) => this.#heard.add(message.toString()));
    for (const socket of [server, client]) socket.on('error', () => {});
  }

  /** In the namespace at `path`; without one only as a client, in the thread's. */
  static async open(path?: string): Promise<Prober> {
    using ns = path === undefined ? undefined : openNetns(path);
    const [server, client] = [createSocket('udp4'), createSocket('udp4')];
    server.bind({ fd: openUdpSocketIn(ns, '0.0.0.0' as Ip, path === undefined ? 0 : PORT) });
    client.bind({ fd: openUdpSocketIn(ns, '0.0.0.0' as Ip, 0) });
    return new Prober(server, client);
  }

  ask(to: Probe['to'], word: string): void {
    // Without a route it cannot be sent: that is an answer too.
    this.#client.send(word, to.port ?? PORT, to.ip, () => {});
  }

  heard(word: string): boolean {
    return this.#heard.has(word);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = [this.#server, this.#client].map((socket) => once(socket, 'close'));
    this.#server.close();
    this.#client.close();
    await Promise.all(closed);
  }
}

let words = 0;

/**
 * Sends all of them in rounds until those that must be answered are, and one round more; returns the names of those that came
 * out otherwise. What must not be answered had as many tries as the slowest that must.
 */
export async function unexpected(probes: readonly Probe[]): Promise<readonly string[]> {
  words += 1;
  const asked = probes.map((probe, index) => ({ ...probe, word: `${words}.${index}` }));
  const missing = (): typeof asked => asked.filter(({ expected, from, word }) => expected && !from.heard(word));
  for (let round = 0, more = 1; round < ROUNDS && more >= 0; round += 1) {
    if (missing().length === 0) more -= 1;
    for (const { from, to, word } of asked) if (!from.heard(word)) from.ask(to, word);
    await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
  }
  return asked
    .filter(({ expected, from, word }) => from.heard(word) !== expected)
    .map(({ name, expected }) => `${name}: ${expected ? 'not reached' : 'reached'}`);
}
