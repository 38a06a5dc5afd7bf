// Encryption between two nodes on a kernel that can: what is on the wire between them, and what does not come through.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, it } from 'node:test';
import { type Id, type Ip, type IpFamily, type Mac, ManualClock, newId, silentLog } from '../../src/base/index.ts';
import { createNetns, deleteNetns, type Netns, Nft, openNetns, Rtnl, requireFeature } from '../../src/kernel/index.ts';
import type { FirewallEntry, StoreLease } from '../../src/model/index.ts';
import { KernelEsp, NodeEncryption } from '../../src/services/encryption/index.ts';
import { NftFirewall } from '../../src/services/firewall/index.ts';
import { MemoryCluster } from '../../src/store/index.ts';
import { eventually } from '../support/eventually.ts';

const PORT = 4790;
const VNI = 4097;
const HOURS = 3600_000;
const NETWORK = newId();
const UNDERLAY = { 4: '192.0.2.', 6: '2001:db8::' } as const;
const HEADERS = { 4: 50, 6: 70 } as const;

/** Shown when a test fails. */
const complaints: string[] = [];
const complain = (fields: object, message: string): void => {
  complaints.push(`${message} ${JSON.stringify(fields)}`);
};

/** A host on the LAN with a VXLAN link, as the overlay driver makes it: nothing learnt, nothing flooded. */
class TestNode {
  readonly id: Id = newId();
  readonly path: string;
  readonly ns: Netns;
  readonly nft: Nft;
  readonly firewall: NftFirewall;
  readonly underlay: Ip;
  readonly number: number;
  encryption: NodeEncryption | undefined;

  constructor(name: string, number: number, family: IpFamily) {
    this.number = number;
    this.path = `/run/netns/fwt-esp-${process.pid}-${name}`;
    createNetns(this.path);
    this.ns = openNetns(this.path);
    this.nft = Nft.open(this.ns);
    this.firewall = new NftFirewall({ nft: this.nft });
    this.underlay = `${UNDERLAY[family]}${number}` as Ip;
  }

  run(command: string): string {
    return execFileSync('nsenter', [`--net=${this.path}`, 'sh', '-ec', command], { stdio: 'pipe', encoding: 'utf8' });
  }

  ip(): Ip {
    return `10.9.0.${this.number}` as Ip;
  }

  mac(): Mac {
    return `02:00:0a:09:00:0${this.number}` as Mac;
  }

  /** Whether anything comes back. */
  reaches(other: TestNode, ...options: readonly string[]): boolean {
    try {
      this.run(`ping -n -c 1 -W 1 ${options.join(' ')} ${other.ip()}`);
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.nft.close();
    this.ns.close();
    deleteNetns(this.path);
  }
}

class Lab implements AsyncDisposable {
  readonly family: IpFamily;
  readonly clock = new ManualClock();
  readonly cluster = new MemoryCluster({ clock: this.clock });
  readonly one: TestNode;
  readonly two: TestNode;
  /** On the same LAN and no node of the cluster. */
  readonly stranger: TestNode;
  readonly mtu: number;
  readonly #lan = `/run/netns/fwt-esp-${process.pid}-lan`;
  readonly #children: ChildProcess[] = [];

  constructor(family: IpFamily) {
    this.family = family;
    createNetns(this.#lan);
    this.one = new TestNode('one', 1, family);
    this.two = new TestNode('two', 2, family);
    this.stranger = new TestNode('stranger', 3, family);
    this.mtu = 1500 - HEADERS[family] - this.service(this.one).overhead;
    const lan = (command: string): string =>
      execFileSync('nsenter', [`--net=${this.#lan}`, 'sh', '-ec', command], { stdio: 'pipe', encoding: 'utf8' });
    lan('ip link add br0 type bridge mcast_snooping 0; ip link set br0 up');
    for (const node of this.all) {
      lan(
        `ip link add p${node.number} type veth peer name eth0 netns ${node.path}; ip link set p${node.number} master br0 up`,
      );
      node.run(`ip link set lo up; ip link set eth0 up
        ip addr add ${node.underlay}/${family === 4 ? 24 : 64} dev eth0 ${family === 6 ? 'nodad' : ''}`);
    }
    for (const node of this.all) this.#addVxlan(node);
    using wire = this.#openWire();
    wire.run(`add table bridge wire
      add counter bridge wire encrypted; add counter bridge wire clear; add counter bridge wire fragments
      add chain bridge wire seen { type filter hook forward priority 0; }
      add rule bridge wire seen ip protocol 50 counter name encrypted
      add rule bridge wire seen ip6 nexthdr 50 counter name encrypted
      add rule bridge wire seen udp dport { 4789, ${PORT} } counter name clear
      add rule bridge wire seen ip frag-off & 0x3fff != 0 counter name fragments
      add rule bridge wire seen ip6 nexthdr 44 counter name fragments`);
  }

  #openWire(): Nft {
    using ns = openNetns(this.#lan);
    return Nft.open(ns);
  }

  get all(): readonly TestNode[] {
    return [this.one, this.two, this.stranger];
  }

  #addVxlan(node: TestNode): void {
    node.run(`ip link add vx type vxlan id ${VNI} dstport ${PORT} local ${node.underlay} nolearning
      ip link set vx address ${node.mac()} mtu ${this.mtu} up
      ip addr add ${node.ip()}/24 dev vx`);
    using rtnl = Rtnl.open(node.ns);
    const linkIndex = rtnl.links.get('vx')?.index ?? 0;
    for (const other of this.all) {
      if (other === node) continue;
      rtnl.fdb.replace({ linkIndex, mac: other.mac(), destination: other.underlay });
      rtnl.neighbours.replace({ linkIndex, ip: other.ip(), mac: other.mac() });
    }
  }

  /** What has passed the LAN since the last time. */
  seen(): { readonly esp: number; readonly clear: number; readonly fragments: number } {
    // A new one each time: it would tell again what it has read before.
    using wire = this.#openWire();
    const text = wire.run('reset counters table bridge wire');
    const count = (name: string): number => Number(new RegExp(`counter ${name} \\{\\s+packets (\\d+)`).exec(text)?.[1]);
    return { esp: count('encrypted'), clear: count('clear'), fragments: count('fragments') };
  }

  service(node: TestNode): NodeEncryption {
    const store = this.cluster.open();
    let lease: StoreLease | undefined;
    node.encryption = new NodeEncryption(
      {
        store,
        self: { id: node.id, address: () => node.underlay },
        claim: async () => {
          lease ??= await store.grantLease(3600);
          return lease;
        },
        openEsp: (options) => KernelEsp.open({ ...options, netns: node.ns }),
        clock: this.clock,
        log: { ...silentLog, error: complain, warn: complain },
      },
      { port: PORT },
    );
    return node.encryption;
  }

  /** As the daemons of both nodes do it: keys first, then the rules. */
  async encrypt(): Promise<void> {
    for (const node of [this.one, this.two]) {
      await this.service(node).hold(NETWORK);
      await this.protect(node);
    }
    await eventually(() => assert.ok(this.one.reaches(this.two) && this.two.reaches(this.one)));
    this.seen();
  }

  /** The stranger's address is among the nodes': only encryption tells it from them. */
  async protect(node: TestNode): Promise<void> {
    await node.firewall.replaceAll([
      { kind: 'dataPort', networkId: NETWORK, port: PORT, encrypted: true },
      ...this.all.map(({ id, underlay }): FirewallEntry => ({ kind: 'node', nodeId: id, address: underlay })),
    ]);
  }

  /** Pings until it is stopped; then how many were sent and lost. */
  pinging(): () => Promise<{ readonly sent: number; readonly lost: number }> {
    const child = spawn('nsenter', [`--net=${this.one.path}`, 'ping', '-n', '-q', '-i', '0.02', this.two.ip()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    return async () => {
      child.kill('SIGINT');
      await once(child, 'close');
      const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
      // The last one may still have been on its way.
      return { sent: Number(sent), lost: Math.max(0, Number(sent) - Number(received) - 1) };
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const node of this.all) await node.encryption?.close();
    for (const node of this.all) node.close();
    deleteNetns(this.#lan);
  }
}

for (const family of [4, 6] as const) {
  describe(`encryption between nodes over IPv${family}`, () => {
    let lab: Lab | undefined;
    const start = (): Lab => {
      requireFeature(family === 4 ? 'espGcm' : 'esp6Gcm');
      lab = new Lab(family);
      return lab;
    };
    afterEach(async () => {
      for (const complaint of complaints.splice(0)) console.log(complaint);
      await lab?.[Symbol.asyncDispose]();
      lab = undefined;
    });

    it('is all that is on the wire, and full packets are not cut up', async () => {
      const { one, two, ...rest } = start();
      assert.ok(lab);
      assert.ok(one.reaches(two), 'in clear, as long as nobody asks for more');
      assert.ok(lab.seen().clear >= 2);
      await lab.encrypt();
      assert.ok(one.reaches(two, '-s', String(rest.mtu - 28), '-M', 'do'));
      const { esp, ...other } = lab.seen();
      assert.ok(esp >= 2);
      assert.deepEqual(other, { clear: 0, fragments: 0 });
    });

    it('takes nothing in clear, neither by policy alone nor by the rules alone', async () => {
      const { two, stranger } = start();
      assert.ok(lab);
      assert.ok(stranger.reaches(two), 'before');
      await lab.encrypt();
      assert.equal(stranger.reaches(two), false);
      await two.firewall.tearDown();
      assert.equal(stranger.reaches(two), false, 'without the rules');
      await lab.protect(two);
      await two.encryption?.close();
      two.run('ip xfrm policy flush; ip xfrm state flush');
      assert.equal(stranger.reaches(two), false, 'without policies');
    });

    // The rest is the same for both.
    if (family === 6) return;

    it('turns its keys without losing a packet', async () => {
      const { one, clock } = start();
      assert.ok(lab);
      await lab.encrypt();
      const keys = (): string => one.run('ip xfrm policy').replace(/^(?!.*spi).*$/gm, '');
      const used = new Set([keys()]);
      const stop = lab.pinging();
      lab.seen();
      for (const hours of [11, 1.5, 11, 1.5]) {
        await clock.advance(hours * HOURS);
        used.add(keys());
        // Some packets with each.
        let packets = 0;
        await eventually(() => {
          packets += lab?.seen().esp ?? 0;
          assert.ok(packets >= 10);
        });
      }
      const { sent, lost } = await stop();
      assert.equal(used.size, 3);
      assert.ok(sent >= 20);
      assert.equal(lost, 0);
      assert.equal(lab.seen().clear, 0);
    });

    it('sends nothing in clear while somebody flushes, and goes on with new keys', async () => {
      const { one, two } = start();
      assert.ok(lab);
      await lab.encrypt();
      const stop = lab.pinging();
      for (let round = 0; round < 2; round += 1) {
        for (const what of ['state', 'policy', 'state; ip xfrm policy'])
          one.run(`ip xfrm ${what} flush; ip xfrm state flush`);
        await eventually(() => assert.ok(one.reaches(two)));
      }
      // Nobody there to make it good: the rules hold it back.
      await one.encryption?.close();
      one.run('ip xfrm state flush; ip xfrm policy flush');
      assert.equal(one.reaches(two), false);
      await stop();
      assert.equal(lab.seen().clear, 0);
      lab.service(one).restore(NETWORK);
      await eventually(() => assert.ok(one.reaches(two)));
      // The rules gone, policies hold it back.
      await one.firewall.tearDown();
      one.run('ip xfrm state flush');
      await eventually(() => assert.ok(one.reaches(two)));
      assert.equal(lab.seen().clear, 0);
    });

    it('goes on over a restart of the daemon, and is gone after the last network', async () => {
      const { one, two } = start();
      assert.ok(lab);
      await lab.encrypt();
      const states = (): string => one.run('ip xfrm state').replace(/^(?!.*(spi|aead)).*$/gm, '');
      const before = states();
      const stop = lab.pinging();
      await one.encryption?.close();
      const again = lab.service(one);
      again.restore(NETWORK);
      await lab.clock.advance(HOURS);
      assert.equal(states(), before);
      assert.equal((await stop()).lost, 0);
      for (const node of [one, two]) await node.encryption?.release(NETWORK);
      assert.equal(one.run('ip xfrm state; ip xfrm policy') + two.run('ip xfrm state; ip xfrm policy'), '');
    });
  });
}
