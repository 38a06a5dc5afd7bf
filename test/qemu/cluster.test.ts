// Two nodes of a cluster with an etcd, each with its whole network layer, on a kernel that has ipvlan and IPsec.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  AF_PACKET,
  bindSocket,
  type OwnedFd,
  openSocket,
  packetAddress,
  receiveDatagram,
  SOCK_NONBLOCK,
  SOCK_RAW,
} from '../../src/kernel/ffi/index.ts';
import { createNetns, deleteNetns, Rtnl } from '../../src/kernel/index.ts';
import { TestEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { inOwnNamespaces } from '../support/network-lab.ts';
import type { CreateRequest } from './cluster-node.ts';

const STORE = '192.0.2.254';
const HOURS = 3600_000;
const PROGRAM = fileURLToPath(new URL('cluster-node.ts', import.meta.url));
/** What containers say to each other. */
const SECRET = 'fairway-secret';
const PATTERN = Buffer.from(SECRET).toString('hex');
/** That of a ping from somewhere else. */
const MARKED_TTL = 33;
/** Emulated, on a machine with other things to do: patience, and nothing that is measured. */
const DEADLINE_MS = 600_000;

const soon = <T>(attempt: () => Promise<T> | T): Promise<T> => eventually(attempt, DEADLINE_MS);
const run = (...command: readonly string[]): string =>
  execFileSync(command[0] ?? '', command.slice(1), { stdio: 'pipe', encoding: 'utf8' });
const inside = (path: string, ...command: readonly string[]): string => run('nsenter', `--net=${path}`, ...command);
const shell = (path: string, script: string): string => inside(path, 'sh', '-ec', script);

interface Container {
  readonly path: string;
  readonly ip: string;
  readonly mac: string;
}

/** A place on the LAN, with `eth0`. */
class Host {
  readonly path: string;
  readonly address: string;
  readonly mac: string;

  constructor(folder: string, name: string, number: number) {
    this.path = join(folder, name);
    this.address = `192.0.2.${number}`;
    createNetns(this.path);
    run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.path);
    run('ip', 'link', 'set', name, 'master', 'br0', 'up');
    shell(this.path, `ip link set lo up; ip link set eth0 up; ip addr add ${this.address}/24 dev eth0`);
    this.mac = /link\/ether (\S+)/.exec(inside(this.path, 'ip', 'link', 'show', 'eth0'))?.[1] ?? '';
  }

  close(): void {
    deleteNetns(this.path);
  }
}

class Node extends Host {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(folder: string, name: string, number: number) {
    super(folder, name, number);
    const command = [`--net=${this.path}`, process.execPath, PROGRAM, name, this.address, `${STORE}:2379`];
    this.#child = spawn('nsenter', command, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#reader = createInterface({ input: this.#child.stdout ?? process.stdin });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    assert.equal(await this.#line(), 'ready');
  }

  async ask<T>(call: string, request: object = {}): Promise<T> {
    this.#child.stdin?.write(`${JSON.stringify({ call, ...request })}\n`);
    const { value, error } = JSON.parse(await this.#line()) as { readonly value: T; readonly error?: string };
    if (error !== undefined) throw new Error(error);
    return value;
  }

  create(request: CreateRequest): Promise<number> {
    return this.ask('create', request);
  }

  join(network: string, name: string): Promise<Container> {
    return soon(() => this.ask('join', { network, name }));
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
    this.close();
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the node has ended');
    return value;
  }
}

/** All frames that come by a port of the LAN. */
class Wire implements Disposable {
  readonly #fds: OwnedFd[];
  readonly #buffer = new Uint8Array(65_535);

  constructor(...ports: readonly string[]) {
    using rtnl = Rtnl.open();
    const all = 0x0003;
    this.#fds = ports.map((port) => {
      const fd = openSocket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, all << 8);
      bindSocket(fd.fd, packetAddress(rtnl.links.get(port)?.index ?? 0, all, new Uint8Array()), `listen on ${port}`);
      return fd;
    });
  }

  /** Those since the last time. */
  frames(): readonly Buffer[] {
    return this.#fds.flatMap((fd) => {
      const frames: Buffer[] = [];
      for (;;) {
        const length = receiveDatagram(fd.fd, this.#buffer, 0);
        if (length === undefined) return frames;
        frames.push(Buffer.from(this.#buffer.subarray(0, length)));
      }
    });
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) fd.close();
  }
}

/** By what is said, and by whom it is said. */
function tells(frame: Buffer, ...who: readonly Container[]): boolean {
  const words = who.flatMap(({ ip, mac }) => [
    Buffer.from(ip.split('.').map(Number)),
    Buffer.from(mac.replaceAll(':', ''), 'hex'),
  ]);
  return [Buffer.from(SECRET), ...words].some((word) => frame.includes(word));
}

const isIp = (frame: Buffer, protocol: number): boolean => frame.readUInt16BE(12) === 0x0800 && frame[23] === protocol;
const isEsp = (frame: Buffer): boolean => isIp(frame, 50);
const isTcp = (frame: Buffer): boolean => isIp(frame, 6);
const talk = (from: Container, to: Container): string =>
  inside(from.path, 'ping', '-n', '-c2', '-i0.2', '-W5', '-p', PATTERN, to.ip);

if (inOwnNamespaces(import.meta.filename)) {
  describe('two nodes of a cluster', { timeout: 2_400_000 }, () => {
    const undo = new AsyncDisposableStack();
    let folder: string;
    let one: Node;
    let two: Node;

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'fwt-cluster-'));
      undo.defer(() => rmSync(folder, { recursive: true, force: true }));
      run('ip', 'link', 'set', 'lo', 'up');
      run('ip', 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
      run('ip', 'link', 'set', 'br0', 'up');
      run('ip', 'addr', 'add', `${STORE}/24`, 'dev', 'br0');
      undo.use(await TestEtcd.start([{ address: STORE, clientPort: 2379, peerPort: 2380 }]));
      one = new Node(folder, 'one', 1);
      undo.defer(() => one.end());
      two = new Node(folder, 'two', 2);
      undo.defer(() => two.end());
      // Whoever takes their addresses is not to become them.
      inside(one.path, 'ip', 'neigh', 'replace', two.address, 'lladdr', two.mac, 'dev', 'eth0');
      inside(two.path, 'ip', 'neigh', 'replace', one.address, 'lladdr', one.mac, 'dev', 'eth0');
      await Promise.all([one.ready(), two.ready()]);
      for (const node of [one, two]) await soon(async () => assert.equal(await node.ask('reachable'), 2));
    });
    after(() => undo.disposeAsync());

    it('share an ipvlan network: no address twice, names and packets from one to the other', async () => {
      const lan = { subnet: '192.0.2.0/24', ipRange: '192.0.2.128/28', options: { parent: 'eth0' } };
      await one.create({ name: 'lan', driver: 'ipvlan', ...lan });
      const [a, b] = [await one.join('lan', 'a'), await two.join('lan', 'b')];
      const c = await two.join('lan', 'c');
      assert.equal(new Set([a.ip, b.ip, c.ip]).size, 3);
      for (const [from, to] of [
        [a, b],
        [b, a],
        [c, a],
      ] as const) {
        await soon(() => talk(from, to));
      }
      await soon(() => assert.match(inside(a.path, 'busybox', 'nslookup', 'c', '127.0.0.11'), new RegExp(c.ip)));
      for (const node of [one, two]) assert.deepEqual(await node.ask('verify'), []);
    });

    describe('with an encrypted network beside one in clear', () => {
      const pairs: Record<'clear' | 'sealed', { vni: number; a: Container; b: Container }> = Object.create(null);
      const open = async (name: 'clear' | 'sealed', subnet: string, options = {}): Promise<void> => {
        const vni = await one.create({ name, driver: 'overlay', subnet, options });
        const [a, b] = [await one.join(name, `${name}-a`), await two.join(name, `${name}-b`)];
        pairs[name] = { vni, a, b };
        await soon(() => talk(a, b));
        await soon(() => talk(b, a));
      };

      it('show nothing of what is said, nor of who says it, from the first packet on', async () => {
        using wire = new Wire('one', 'two');
        await open('clear', '10.81.0.0/24');
        const { a, b } = pairs.clear;
        const told = wire.frames().filter((frame) => frame.includes(SECRET));
        assert.ok(told.length >= 4);
        assert.ok(told.every((frame) => tells(frame, a) && tells(frame, b)));
        await open('sealed', '10.82.0.0/24', { encrypted: '' });
        const frames = wire.frames();
        assert.ok(frames.filter(isEsp).length >= 8);
        const { a: c, b: d } = pairs.sealed;
        // The store, in clear here, knows the names and addresses of all: it is asked by TCP.
        assert.deepEqual(
          frames.filter((frame) => !isTcp(frame) && tells(frame, c, d)),
          [],
        );
      });

      it('take nothing in clear with the address of a node, from either side', async () => {
        for (const [number, target, victim] of [
          [1, two, 'b'],
          [2, one, 'a'],
        ] as const) {
          const forger = new Host(folder, `forger${number}`, number);
          try {
            inside(forger.path, 'ip', 'neigh', 'replace', target.address, 'lladdr', target.mac, 'dev', 'eth0');
            const came: Record<string, string> = {};
            for (const [name, port] of [
              ['sealed', 4790],
              ['sealed', 4789],
              ['clear', 4789],
            ] as const) {
              const { vni, a, b } = pairs[name];
              const [to, from] = victim === 'b' ? [b, a] : [a, b];
              shell(
                to.path,
                `nft 'add table ip seen; add chain ip seen in { type filter hook input priority 0; }
                flush chain ip seen in
                add rule ip seen in ip ttl ${MARKED_TTL} icmp type echo-request counter'`,
              );
              shell(
                forger.path,
                `ip link add vx type vxlan id ${vni} dstport ${port} local ${forger.address} remote ${target.address} nolearning
                ip link set vx address ${from.mac} mtu 1400 up
                ip addr add ${from.ip}/24 dev vx
                ip neigh replace ${to.ip} lladdr ${to.mac} dev vx
                ping -n -c3 -i0.2 -W1 -t ${MARKED_TTL} ${to.ip} || :
                ip link del vx`,
              );
              came[`${name} ${port}`] =
                /packets (\d+)/.exec(inside(to.path, 'nft', 'list', 'table', 'ip', 'seen'))?.[1] ?? '';
            }
            assert.deepEqual(came, { 'sealed 4790': '0', 'sealed 4789': '0', 'clear 4789': '3' });
          } finally {
            forger.close();
          }
        }
        const { a, b } = pairs.sealed;
        await soon(() => talk(a, b));
      });

      it('turn their keys under load without losing a packet, and without a word in clear', async () => {
        const { a, b } = pairs.sealed;
        const keys = (): string => inside(one.path, 'ip', 'xfrm', 'policy').replace(/^(?!.*spi).*$/gm, '');
        const used = new Set([keys()]);
        using wire = new Wire('one', 'two');
        const load = spawn(
          'nsenter',
          [`--net=${a.path}`, 'ping', '-n', '-q', '-i0.05', '-s1200', '-p', PATTERN, b.ip],
          { stdio: ['ignore', 'pipe', 'inherit'] },
        );
        let output = '';
        load.stdout.on('data', (chunk) => (output += String(chunk)));
        try {
          let [encrypted, clear] = [0, 0];
          const look = (): void => {
            const frames = wire.frames();
            encrypted += frames.filter(isEsp).length;
            clear += frames.filter((frame) => !isTcp(frame) && tells(frame, a, b)).length;
          };
          for (const hours of [11, 1.5, 11, 1.5]) {
            for (const node of [one, two]) await node.ask('advance', { ms: hours * HOURS });
            used.add(keys());
            const enough = encrypted + 10;
            await soon(() => {
              look();
              assert.ok(encrypted >= enough);
            });
          }
          await soon(async () => {
            // What a node could not do at once it does a moment later, by the clock that stands still otherwise.
            for (const node of [one, two]) await node.ask('advance', { ms: 5_000 });
            look();
            used.add(keys());
            assert.ok(used.size >= 3);
          });
          assert.equal(clear, 0);
        } finally {
          const closed = once(load, 'close');
          load.kill('SIGINT');
          await closed;
        }
        const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
        assert.ok(Number(sent) >= 20);
        // The last one may still have been on its way.
        assert.ok(Number(sent) - Number(received) <= 1, output);
        for (const node of [one, two]) assert.deepEqual(await node.ask('verify'), []);
      });
    });
  });
}
