import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import net, { type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import tls from 'node:tls';
import { type FairwayError, internal, invalid, type Log, messageOf, silentLog } from '../base/index.ts';
import { inheritedSockets, type ListenAddress, listenText, type TlsConfig } from '../config/index.ts';

export interface ListenersDeps {
  /** Takes a connection over. */
  readonly accept: (socket: Socket) => void;
  readonly log?: Log;
}

export interface ListenersOptions {
  readonly addresses: readonly ListenAddress[];
  /** Group that may use the unix sockets; one that does not exist is left out. */
  readonly group?: string;
  readonly tls?: TlsConfig;
}

/** The sockets on which the API is served. */
export class Listeners implements AsyncDisposable {
  readonly #deps: ListenersDeps;
  readonly #servers: { readonly server: Server; readonly cleanUp: () => void }[] = [];

  private constructor(deps: ListenersDeps) {
    this.#deps = deps;
  }

  /** Opens all of them or none. */
  static async open(deps: ListenersDeps, options: ListenersOptions): Promise<Listeners> {
    const listeners = new Listeners(deps);
    try {
      for (const address of options.addresses) await listeners.#open(address, options);
    } catch (error) {
      await listeners.close();
      throw error;
    }
    return listeners;
  }

  /** Ports that were left to the system, in the order of the addresses; 0 for those without one. */
  get ports(): readonly number[] {
    return this.#servers.map(({ server }) => {
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    });
  }

  /** Takes no further connection and removes the socket files; open connections go on. */
  async close(): Promise<void> {
    for (const { server, cleanUp } of this.#servers.splice(0)) {
      // The callback waits for the last connection, which may be a follower of logs: whoever serves them ends them.
      server.close();
      cleanUp();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(address: ListenAddress, options: ListenersOptions): Promise<void> {
    const log = this.#deps.log ?? silentLog;
    if (address.kind === 'unix') await this.#openUnix(address.path, options.group);
    else if (address.kind === 'tcp') await this.#openTcp(address, options.tls);
    else await this.#openInherited(address);
    log.info({ address: listenText(address) }, 'listening');
  }

  async #openUnix(path: string, group: string | undefined): Promise<void> {
    mkdirSync(dirname(path), { recursive: true });
    await removeStale(path);
    const server = this.#plain();
    // Nobody may connect between bind and chmod.
    const before = process.umask(0o177);
    try {
      const ready = listening(server, `unix://${path}`);
      server.listen(path);
      process.umask(before);
      await ready;
    } finally {
      process.umask(before);
    }
    const { ino } = lstatSync(path);
    this.#servers.push({ server, cleanUp: () => removeOwn(path, ino) });
    const gid = group === undefined ? undefined : groupId(group);
    if (gid !== undefined) chownSync(path, 0, gid);
    chmodSync(path, 0o660);
  }

  async #openTcp(address: Extract<ListenAddress, { kind: 'tcp' }>, config: TlsConfig | undefined): Promise<void> {
    const server = config ? this.#encrypted(config) : this.#plain();
    const ready = listening(server, listenText(address));
    server.listen({ host: address.host, port: address.port });
    await ready;
    this.#servers.push({ server, cleanUp: () => {} });
    if (config?.caFile === undefined) {
      this.#deps.log?.warn(
        { address: listenText(address) },
        'whoever reaches this address is root here: protect it with --tlsverify or use the unix socket',
      );
    }
  }

  async #openInherited(address: ListenAddress): Promise<void> {
    const sockets = inheritedSockets();
    if (sockets.length === 0) {
      throw invalid(
        'no_inherited_socket',
        `cannot listen on "${listenText(address)}": no socket was passed by systemd`,
      );
    }
    for (const fd of sockets) {
      const server = this.#plain();
      const ready = listening(server, `fd://${fd}`);
      server.listen({ fd });
      await ready;
      this.#servers.push({ server, cleanUp: () => {} });
    }
  }

  #plain(): Server {
    return net.createServer({ allowHalfOpen: true, noDelay: true }, this.#deps.accept);
  }

  #encrypted({ certFile, keyFile, caFile }: TlsConfig): Server {
    return tls.createServer(
      {
        allowHalfOpen: true,
        noDelay: true,
        cert: readFileSync(certFile),
        key: readFileSync(keyFile),
        ...(caFile === undefined ? {} : { ca: readFileSync(caFile), requestCert: true, rejectUnauthorized: true }),
      },
      this.#deps.accept,
    );
  }
}

function listening(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(address, messageOf(error), error)));
    server.once('listening', resolve);
  });
}

function cannotListen(address: string, reason: string, cause?: unknown): FairwayError {
  return internal('cannot_listen', `cannot listen on "${address}": ${reason}`, cause);
}

/** A socket file outlives a killed daemon. It is removed only when nobody answers on it. */
async function removeStale(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) throw cannotListen(`unix://${path}`, 'there is a file that is no socket');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (await answers(path)) throw cannotListen(`unix://${path}`, 'the address is already in use by a running daemon');
  rmSync(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function removeOwn(path: string, ino: number): void {
  try {
    if (lstatSync(path).ino === ino) rmSync(path);
  } catch {
    // Gone already.
  }
}

/** By name from /etc/group, or as a number. */
function groupId(group: string): number | undefined {
  if (/^\d+$/.test(group)) return Number(group);
  try {
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((one) => one.startsWith(`${group}:`));
    return line === undefined ? undefined : Number(line.split(':')[2]);
  } catch {
    return undefined;
  }
}
