import { closeSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Id, type Log, messageOf } from '../../base/index.ts';
import { connectUnix, isErrno, passDescriptors, takeDescriptors } from '../../kernel/index.ts';
import { LineReader, MORE, type Offer, type ServerSockets, SOCKET_NAME } from './serving/index.ts';

/** Answering takes microseconds; one that does not within this time is succeeded without its sockets. */
const PATIENCE_MS = 2000;

interface Found {
  readonly namespace: string;
  readonly sockets: ServerSockets;
}

/** The resolvers that earlier daemons left, and duplicates of the sockets they serve. */
export class Predecessors {
  /** Where they listen. */
  readonly paths: readonly string[];
  readonly #found = new Map<Id, Found>();

  constructor(folder: string, log: Log) {
    const names = readdirSync(folder).filter((name) => SOCKET_NAME.test(name));
    this.paths = names.map((name) => join(folder, name)).filter((path) => this.#take(path, log));
  }

  /** The sockets of that sandbox, if they are in that namespace. They belong to the caller then. */
  claim(sandboxId: Id, namespace: string): ServerSockets | undefined {
    const found = this.#found.get(sandboxId);
    if (found?.namespace !== namespace) return undefined;
    this.#found.delete(sandboxId);
    return found.sockets;
  }

  /** Closes what nobody has claimed. */
  close(): void {
    for (const { sockets } of this.#found.values()) closeSockets(sockets);
    this.#found.clear();
  }

  /** False: nobody is there any more. */
  #take(path: string, log: Log): boolean {
    try {
      using connection = connectUnix(path, PATIENCE_MS);
      while (this.#takeSome(connection.fd)) {
        // Until there are no more.
      }
      return true;
    } catch (error) {
      if (isErrno(error, 'ECONNREFUSED', 'ENOENT')) {
        unlinkSync(path);
        return false;
      }
      log.warn({ path, reason: messageOf(error) }, 'an earlier resolver does not hand over its sockets');
      return true;
    }
  }

  #takeSome(connectionFd: number): boolean {
    passDescriptors(connectionFd, `${MORE}\n`, []);
    const { text, descriptors } = takeDescriptors(connectionFd);
    const [line] = new LineReader().push(text);
    if (line === undefined) return false;
    const { sandboxes } = JSON.parse(line) as Offer;
    sandboxes.forEach(({ sandboxId, namespace }, index) => {
      const [udp, tcp] = descriptors.slice(2 * index);
      if (udp === undefined || tcp === undefined) return;
      const known = this.#found.get(sandboxId);
      if (known !== undefined) closeSockets(known.sockets);
      this.#found.set(sandboxId, { namespace, sockets: { udp, tcp } });
    });
    return sandboxes.length > 0;
  }
}

export function closeSockets({ udp, tcp }: ServerSockets): void {
  closeSync(udp);
  closeSync(tcp);
}
