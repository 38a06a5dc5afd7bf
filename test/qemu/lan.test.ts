import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Id, parseCidr, parseIp } from '../../src/base/index.ts';
import {
  type DiscardedLinks,
  IpvlanDriver,
  MacvlanDriver,
  ParentLinks,
  TransparentDriver,
} from '../../src/drivers/index.ts';
import {
  AF_INET,
  bindSocket,
  connectSocket,
  IPPROTO_SCTP,
  inetAddress,
  listenSocket,
  openSocket,
  SOCK_STREAM,
} from '../../src/kernel/ffi/index.ts';
import { createNetns, deleteNetns, openNetns, type Rtnl, runInNetns } from '../../src/kernel/index.ts';
import type { NetworkDriver } from '../../src/model/index.ts';
import { eventually } from '../support/eventually.ts';
import { inOwnNamespaces, NetworkLab } from '../support/network-lab.ts';

const NEIGHBOUR = '10.88.0.254';
const NEIGHBOUR6 = 'fd88::fe';

const drivers = (parts: { readonly rtnl: Rtnl; readonly discarded: DiscardedLinks }): readonly NetworkDriver[] => {
  const deps = { ...parts, parents: new ParentLinks(parts) };
  return [new IpvlanDriver(deps), new MacvlanDriver(deps), new TransparentDriver(deps)];
};

/** A network lab whose host has a link `up0` to a LAN with one neighbour on it; tagged 10, the neighbour is there, too. */
class LanLab implements AsyncDisposable {
  #lab: NetworkLab;
  readonly #lan: string;
  readonly #sandboxes: Id[] = [];

  private constructor(lab: NetworkLab) {
    this.#lab = lab;
    this.#lan = join(lab.directory, 'lan');
  }

  static async start(): Promise<LanLab> {
    const lab = new LanLab(await NetworkLab.start({ drivers }));
    createNetns(lab.#lan);
    lab.neighbour('ip', 'link', 'add', 'up1', 'type', 'veth', 'peer', 'name', 'up0', 'netns', String(process.pid));
    execFileSync('ip', ['link', 'set', 'up0', 'up']);
    lab.neighbour(
      'sh',
      '-ec',
      `ip link set up1 up
      ip addr add ${NEIGHBOUR}/24 dev up1
      ip addr add ${NEIGHBOUR6}/64 dev up1 nodad
      ip link add link up1 name up1.10 type vlan id 10
      ip link set up1.10 up
      ip addr add 10.98.0.254/24 dev up1.10`,
    );
    return lab;
  }

  get networking(): NetworkLab['networking'] {
    return this.#lab.networking;
  }

  /** Runs on the neighbour. */
  neighbour(...command: string[]): string {
    return execFileSync('nsenter', [`--net=${this.#lan}`, ...command], { stdio: 'pipe', encoding: 'utf8' });
  }

  /** Runs inside a sandbox. */
  inside(id: Id, ...command: string[]): string {
    const path = this.networking.sandboxes.get(id)?.path ?? '';
    return execFileSync('nsenter', [`--net=${path}`, ...command], { stdio: 'pipe', encoding: 'utf8' });
  }

  /** A first packet may be lost on a link that has only just come up. */
  ping(from: Id | 'neighbour', to: string): void {
    const command = ['sh', '-c', `for i in 1 2 3 4; do ping -n -c1 -W5 ${to} && exit; done; exit 1`];
    if (from === 'neighbour') this.neighbour(...command);
    else this.inside(from, ...command);
  }

  /** A network with the neighbour's LAN behind it, unless told otherwise. */
  async network(
    name: string,
    driver: string,
    options: Readonly<Record<string, string>>,
    subnet = '10.88.0.0/24',
    gateway?: string,
  ): Promise<void> {
    const pools = [{ subnet: parseCidr(subnet), ...(gateway === undefined ? {} : { gateway: parseIp(gateway) }) }];
    await this.networking.networks.create({ name, driver, options, ipam: { pools } });
  }

  /** A sandbox on a network: its id and its address. */
  async sandbox(
    network: string,
    name: string,
  ): Promise<{ readonly id: Id; readonly ip: string; readonly ip6: string }> {
    const id = await this.#lab.sandbox();
    this.#sandboxes.push(id);
    const { ipv4, ipv6 } = await this.#lab.attach(id, network, name);
    return { id, ip: ipv4?.ip ?? '', ip6: ipv6?.ip ?? '' };
  }

  links(): readonly string[] {
    return this.#lab.links();
  }

  /** On the neighbour, with one address to lend. */
  dhcpServer(address: string): Disposable {
    const file = (name: string): string => join(this.#lab.directory, `udhcpd.${name}`);
    const lines = [
      ...['interface up1', `start ${address}`, `end ${address}`],
      ...[`lease_file ${file('leases')}`, `pidfile ${file('pid')}`],
      ...['option lease 600', 'option subnet 255.255.255.0', `option router ${NEIGHBOUR}`],
    ];
    writeFileSync(file('conf'), `${lines.join('\n')}\n`);
    writeFileSync(file('leases'), '');
    const server = spawn('nsenter', [`--net=${this.#lan}`, 'busybox', 'udhcpd', '-f', '-a100', file('conf')], {
      stdio: 'ignore',
    });
    return { [Symbol.dispose]: () => void server.kill('SIGKILL') };
  }

  /** A sandbox on the network, with an SCTP port published, and somebody who listens there. */
  async sctpServer(network: string, hostPort: number): Promise<{ readonly ip: string; readonly listener: Disposable }> {
    const id = await this.#lab.sandbox({ ports: [{ host: hostPort, container: 7000, protocol: 'sctp' }] });
    this.#sandboxes.push(id);
    const { ipv4 } = await this.#lab.attach(id, network, 'server');
    const listener = this.#lab.inside(id, () => {
      const socket = openSocket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
      bindSocket(socket.fd, inetAddress(parseIp('0.0.0.0'), 7000));
      listenSocket(socket.fd, 8);
      return socket;
    });
    return { ip: ipv4?.ip ?? '', listener };
  }

  /** Opens an association from the neighbour, or from a sandbox; throws when it is refused. */
  associate(from: Id | 'neighbour', ip: string, port: number): void {
    const path = from === 'neighbour' ? this.#lan : (this.networking.sandboxes.get(from)?.path ?? '');
    using ns = openNetns(path);
    runInNetns(ns, () => {
      using socket = openSocket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
      connectSocket(socket.fd, inetAddress(parseIp(ip), port));
    });
  }

  /** The daemon ends and another takes over. */
  async restart(): Promise<void> {
    await this.#lab.stop();
    this.#lab = await NetworkLab.start({ drivers, store: this.#lab.store }, this.#lab.directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#sandboxes) await this.networking.sandboxes.close(id);
    execFileSync('ip', ['link', 'delete', 'up0']);
    deleteNetns(this.#lan);
    await this.#lab[Symbol.asyncDispose]();
  }
}

if (inOwnNamespaces(import.meta.filename)) {
  describe('ipvlan beside a LAN', () => {
    it('l2: sandboxes reach each other, the neighbour, and what is behind the gateway', async () => {
      await using lab = await LanLab.start();
      lab.neighbour('ip', 'addr', 'add', '203.0.113.1/32', 'dev', 'lo');
      lab.neighbour('ip', 'link', 'set', 'lo', 'up');
      await lab.network('net', 'ipvlan', { parent: 'up0' }, undefined, NEIGHBOUR);
      const one = await lab.sandbox('net', 'one');
      const two = await lab.sandbox('net', 'two');
      lab.ping(one.id, two.ip);
      lab.ping(two.id, one.ip);
      lab.ping(one.id, NEIGHBOUR);
      lab.ping(two.id, '203.0.113.1');
      lab.ping('neighbour', two.ip);
      assert.match(lab.inside(one.id, 'ip', 'route'), /default via 10\.88\.0\.254 dev eth0/);
      const mac = (text: string): string | undefined => /link\/ether (\S+)/.exec(text)?.[1];
      const parent = mac(execFileSync('ip', ['link', 'show', 'up0'], { encoding: 'utf8' }));
      assert.equal(mac(lab.inside(one.id, 'ip', 'link', 'show', 'eth0')), parent);
    });

    it('l2: carries IPv6', async () => {
      await using lab = await LanLab.start();
      await lab.networking.networks.create({
        name: 'net',
        driver: 'ipvlan',
        options: { parent: 'up0' },
        enableIpv6: true,
        ipam: { pools: [{ subnet: parseCidr('10.88.0.0/24') }, { subnet: parseCidr('fd88::/64') }] },
      });
      const one = await lab.sandbox('net', 'one');
      const two = await lab.sandbox('net', 'two');
      lab.ping(one.id, two.ip6);
      lab.ping(one.id, NEIGHBOUR6);
    });

    for (const mode of ['l3', 'l3s']) {
      it(`${mode}: two networks of one parent reach each other, and a LAN that knows the way back`, async () => {
        await using lab = await LanLab.start();
        execFileSync('ip', ['addr', 'add', '10.88.0.1/24', 'dev', 'up0']);
        lab.neighbour('ip', 'route', 'add', '10.89.0.0/16', 'via', '10.88.0.1');
        await lab.network('a', 'ipvlan', { parent: 'up0', ipvlan_mode: mode }, '10.89.1.0/24');
        await lab.network('b', 'ipvlan', { parent: 'up0', ipvlan_mode: mode }, '10.89.2.0/24');
        const one = await lab.sandbox('a', 'one');
        const two = await lab.sandbox('a', 'two');
        const three = await lab.sandbox('b', 'three');
        lab.ping(one.id, two.ip);
        lab.ping(one.id, three.ip);
        lab.ping(three.id, one.ip);
        lab.ping(three.id, NEIGHBOUR);
        lab.ping('neighbour', three.ip);
        assert.match(lab.inside(one.id, 'ip', 'route'), /^default dev eth0 /);
      });
    }

    for (const flag of ['private', 'vepa']) {
      it(`${flag}: the neighbour is reached, the other sandbox is not`, async () => {
        await using lab = await LanLab.start();
        await lab.network('net', 'ipvlan', { parent: 'up0', ipvlan_flag: flag });
        const one = await lab.sandbox('net', 'one');
        const two = await lab.sandbox('net', 'two');
        lab.ping(one.id, NEIGHBOUR);
        lab.ping(two.id, NEIGHBOUR);
        assert.throws(() => lab.inside(one.id, 'ping', '-n', '-c1', '-W2', two.ip));
      });
    }

    it('has its address from a DHCP server of the LAN, under a client identifier of its own', async () => {
      await using lab = await LanLab.start();
      using _server = lab.dhcpServer('10.88.0.200');
      await lab.networking.networks.create({
        name: 'net',
        driver: 'ipvlan',
        options: { parent: 'up0' },
        ipam: { driver: 'dhcp', options: { timeout: '120' } },
      });
      const one = await lab.sandbox('net', 'one');
      assert.equal(one.ip, '10.88.0.200');
      lab.ping(one.id, NEIGHBOUR);
      lab.ping('neighbour', one.ip);
      assert.match(lab.inside(one.id, 'ip', 'route'), /default via 10\.88\.0\.254 dev eth0/);
      await assert.rejects(
        lab.networking.networks.create({
          name: 'l3',
          driver: 'ipvlan',
          options: { parent: 'up0', ipvlan_mode: 'l3' },
          ipam: { driver: 'dhcp' },
        }),
        /needs ipvlan_mode l2/,
      );
    });
  });

  for (const kind of ['ipvlan', 'macvlan']) {
    describe(`${kind} on links of its own`, () => {
      it('makes the VLAN it stands on and removes it with its last user, a restart between', async () => {
        await using lab = await LanLab.start();
        const before = lab.links();
        await lab.network('a', kind, { parent: 'up0.10' }, '10.98.0.0/24');
        await lab.network('b', kind, { parent: 'up0.10' }, '10.97.0.0/24');
        assert.deepEqual(lab.links(), [...before, 'up0.10'].sort());
        const one = await lab.sandbox('a', 'one');
        const two = await lab.sandbox('a', 'two');
        lab.ping(one.id, two.ip);
        lab.ping(one.id, '10.98.0.254');
        await lab.restart();
        lab.ping(two.id, '10.98.0.254');
        for (const { id } of [one, two]) await lab.networking.sandboxes.close(id);
        await lab.networking.networks.remove('a');
        assert.ok(lab.links().includes('up0.10'));
        await lab.networking.networks.remove('b');
        assert.deepEqual(lab.links(), before);
      });

      it('leaves a VLAN link as it was that somebody else made', async () => {
        await using lab = await LanLab.start();
        execFileSync('ip', ['link', 'add', 'link', 'up0', 'name', 'up0.10', 'type', 'vlan', 'id', '10']);
        await lab.network('net', kind, { parent: 'up0.10' }, '10.98.0.0/24');
        const one = await lab.sandbox('net', 'one');
        lab.ping(one.id, '10.98.0.254');
        await lab.networking.sandboxes.close(one.id);
        await lab.networking.networks.remove('net');
        assert.ok(lab.links().includes('up0.10'));
      });

      it('has a dummy parent when nobody names one: sandboxes reach each other and nothing else', async () => {
        await using lab = await LanLab.start();
        const before = lab.links();
        await lab.network('net', kind, {});
        assert.equal(lab.links().filter((name) => name.startsWith('dm-')).length, 1);
        const one = await lab.sandbox('net', 'one');
        const two = await lab.sandbox('net', 'two');
        lab.ping(one.id, two.ip);
        assert.doesNotMatch(lab.inside(one.id, 'ip', 'route'), /default/);
        await lab.restart();
        lab.ping(two.id, one.ip);
        for (const { id } of [one, two]) await lab.networking.sandboxes.close(id);
        await lab.networking.networks.remove('net');
        assert.deepEqual(lab.links(), before);
      });
    });
  }

  describe('a transparent network', () => {
    it('on a VLAN makes and removes it, and others stand on other VLANs of the same link', async () => {
      await using lab = await LanLab.start();
      const before = lab.links();
      lab.neighbour('ip', 'link', 'add', 'link', 'up1', 'name', 'up1.20', 'type', 'vlan', 'id', '20');
      lab.neighbour('ip', 'link', 'set', 'up1.20', 'up');
      lab.neighbour('ip', 'addr', 'add', '10.97.0.254/24', 'dev', 'up1.20');
      await lab.network('ten', 'transparent', { parent: 'up0.10' }, '10.98.0.0/24');
      await lab.network('twenty', 'transparent', { parent: 'up0.20' }, '10.97.0.0/24');
      const one = await lab.sandbox('ten', 'one');
      const two = await lab.sandbox('twenty', 'two');
      lab.ping(one.id, '10.98.0.254');
      lab.ping(two.id, '10.97.0.254');
      lab.ping('neighbour', one.ip);
      await lab.restart();
      lab.ping(one.id, '10.98.0.254');
      for (const { id } of [one, two]) await lab.networking.sandboxes.close(id);
      for (const name of ['ten', 'twenty']) await lab.networking.networks.remove(name);
      await eventually(() => assert.deepEqual(lab.links(), before));
    });
  });

  describe('SCTP', () => {
    it('reaches a published port from outside and a neighbour from inside, and no port but those', async () => {
      await using lab = await LanLab.start();
      execFileSync('ip', ['addr', 'add', '10.88.0.1/24', 'dev', 'up0']);
      await lab.network('net', 'bridge', {}, '10.87.0.0/24');
      const server = await lab.sctpServer('net', 7777);
      using _listening = server.listener;
      const client = await lab.sandbox('net', 'client');
      lab.associate(client.id, server.ip, 7000);
      lab.associate('neighbour', '10.88.0.1', 7777);
      assert.throws(() => lab.associate('neighbour', '10.88.0.1', 7778), /ECONNREFUSED/);
      assert.throws(() => lab.associate(client.id, server.ip, 7001), /ECONNREFUSED/);
    });
  });
}
