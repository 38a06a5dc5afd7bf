import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, cpSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';
import { ok } from './run.ts';

/** Debian's etcd 3.4, unpacked by scripts/setup.sh. */
export const ETCD = fileURLToPath(new URL('../../.cache/etcd/usr/bin/etcd', import.meta.url));

/** Where a member is to be. */
export interface EtcdPlace {
  readonly address: string;
  /** A command line that runs there (`host.inside`); absent: here. */
  readonly inside?: (command: readonly string[]) => string[];
  /** Absent: 2379 and 2380 inside of something, free ones here. */
  readonly clientPort?: number;
  readonly peerPort?: number;
}

export interface EtcdTls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TestEtcdOptions {
  /** Further flags of every member. */
  readonly flags?: readonly string[];
  /** Of the side that clients see; they must show a certificate of the same authority. */
  readonly tls?: EtcdTls;
}

/** etcd members of a test, their data in /tmp; they end with it. */
export class TestEtcd {
  readonly members: readonly EtcdMember[];
  readonly #directory: string;

  private constructor(directory: string, members: readonly EtcdMember[]) {
    this.#directory = directory;
    this.members = members;
  }

  /** A number: so many on loopback. */
  static async start(places: number | readonly EtcdPlace[] = 1, options: TestEtcdOptions = {}): Promise<TestEtcd> {
    const wanted =
      typeof places === 'number' ? Array.from({ length: places }, (): EtcdPlace => ({ address: '127.0.0.1' })) : places;
    const free = await freePorts(wanted.filter(({ inside }) => inside === undefined).length * 2);
    const complete = wanted.map((place): Required<Pick<EtcdPlace, 'clientPort' | 'peerPort'>> & EtcdPlace => ({
      ...place,
      clientPort: place.clientPort ?? (place.inside ? 2379 : (free.pop() ?? 0)),
      peerPort: place.peerPort ?? (place.inside ? 2380 : (free.pop() ?? 0)),
    }));
    const directory = mkdtempSync(join(tmpdir(), 'fwt-etcd-'));
    const initial = complete.map(({ address, peerPort }, at) => `m${at}=http://${host(address)}:${peerPort}`).join(',');
    const members = complete.map((place, at) => new EtcdMember(directory, `m${at}`, { ...place, initial, ...options }));
    const etcd = new TestEtcd(directory, members);
    try {
      for (const member of members) member.start();
      await etcd.ready();
      return etcd;
    } catch (error) {
      await etcd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `host:port` of every member. */
  get endpoints(): string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  /** Until every member that runs has a leader. */
  async ready(): Promise<void> {
    await Promise.all(this.members.filter(({ runs }) => runs).map((member) => eventually(() => member.assertReady())));
  }

  /** Those that run must have a leader among them. */
  async leader(): Promise<EtcdMember> {
    return eventually(async () => {
      for (const member of this.members) {
        if (!member.runs) continue;
        const { leader, header } = await member.status();
        if (leader !== undefined && leader === header.member_id) return member;
      }
      throw new Error('no leader');
    });
  }

  /** Forgets all that was before now; physically, so that it is so when this resolves. */
  async compact(): Promise<void> {
    const member = this.members.find(({ runs }) => runs);
    if (member === undefined) throw new Error('no member runs');
    const { header } = await member.status();
    await member.post('kv/compaction', { revision: header.revision, physical: true });
  }

  /** From now on it asks who one is; `root` has this password. */
  async askForPassword(password: string): Promise<void> {
    const [member] = this.members;
    await member?.post('auth/role/add', { name: 'root' });
    await member?.post('auth/user/add', { name: 'root', password });
    await member?.post('auth/user/grant', { user: 'root', role: 'root' });
    await member?.post('auth/enable', {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

interface MemberOptions extends TestEtcdOptions, EtcdPlace {
  readonly clientPort: number;
  readonly peerPort: number;
  readonly initial: string;
}

export class EtcdMember {
  readonly name: string;
  readonly endpoint: string;
  readonly #directory: string;
  readonly #options: MemberOptions;
  #child: ChildProcess | undefined;

  constructor(directory: string, name: string, options: MemberOptions) {
    this.#directory = directory;
    this.#options = options;
    this.name = name;
    this.endpoint = `${host(options.address)}:${options.clientPort}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get runs(): boolean {
    return this.#child !== undefined;
  }

  /** With the data that it had. */
  start(): void {
    const { address, peerPort, initial, tls, inside = (command) => [...command], flags = [] } = this.#options;
    const clients = `${tls ? 'https' : 'http'}://${this.endpoint}`;
    const peers = `http://${host(address)}:${peerPort}`;
    const [program = '', ...args] = inside([
      ETCD,
      ...['--name', this.name, '--data-dir', this.#data],
      ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
      ...['--initial-cluster', initial, '--initial-cluster-token', this.#directory],
      ...['--logger', 'zap', '--log-level', 'warn', '--snapshot-count', '10000'],
      ...(tls ? ['--cert-file', tls.certFile, '--key-file', tls.keyFile] : []),
      ...(tls ? ['--trusted-ca-file', tls.caFile, '--client-cert-auth'] : []),
      ...flags,
    ]);
    const log = openSync(this.#log, 'a');
    this.#child = spawn(program, args, { stdio: ['ignore', log, log] });
    closeSync(log);
  }

  /** While it does not run: puts its data aside. */
  backUp(): void {
    cpSync(this.#data, `${this.#data}.backup`, { recursive: true });
  }

  /** While it does not run: its data are those that were put aside. */
  restore(): void {
    rmSync(this.#data, { recursive: true });
    cpSync(`${this.#data}.backup`, this.#data, { recursive: true });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async assertReady(): Promise<void> {
    if (this.#child?.exitCode !== null) throw new Error(`etcd ${this.name} ended: ${readFileSync(this.#log, 'utf8')}`);
    if (this.#options.tls === undefined && (await this.status()).leader === undefined) throw new Error('no leader');
  }

  status(): Promise<{
    readonly leader?: string;
    /** Bytes. */
    readonly dbSize: string;
    readonly header: { member_id: string; revision: string };
  }> {
    return this.post('maintenance/status', {});
  }

  /** By etcd's JSON gateway; from where the member is. */
  async post<T>(path: string, body: object): Promise<T> {
    const { inside, tls } = this.#options;
    const url = `${tls ? 'https' : 'http'}://${this.endpoint}/v3/${path}`;
    if (inside !== undefined && tls !== undefined) {
      const script = `const { readFileSync } = require('node:fs');
        const [ca, cert, key] = ${JSON.stringify([tls.caFile, tls.certFile, tls.keyFile])}.map((file) => readFileSync(file));
        require('node:https').request(${JSON.stringify(url)}, { method: 'POST', ca, cert, key }, (response) => {
          response.pipe(process.stdout);
          process.exitCode = response.statusCode === 200 ? 0 : 1;
        }).end(${JSON.stringify(JSON.stringify(body))})`;
      return JSON.parse(await ok(inside([process.execPath, '-e', script]))) as T;
    }
    if (inside !== undefined) {
      const script = `fetch(${JSON.stringify(url)},{method:'POST',body:${JSON.stringify(JSON.stringify(body))}})
        .then(async (r)=>{process.stdout.write(await r.text());process.exitCode=r.ok?0:1})`;
      return JSON.parse(await ok(inside([process.execPath, '-e', script]))) as T;
    }
    const response = await fetch(url, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  get #data(): string {
    return join(this.#directory, this.name);
  }

  get #log(): string {
    return join(this.#directory, `${this.name}.log`);
  }
}

function host(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { readonly port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A free port on this address whose next one is free, too. */
export async function freePortPair(address: string): Promise<number> {
  for (;;) {
    const [port = 0] = await freePorts(1);
    const taken = await Promise.all(
      [port, port + 1].map(
        (one) =>
          new Promise<boolean>((resolve) => {
            const server = createServer();
            server.once('error', () => resolve(true));
            server.listen(one, address, () => server.close(() => resolve(false)));
          }),
      ),
    );
    if (!taken.includes(true)) return port;
  }
}
