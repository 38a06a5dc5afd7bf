import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Id, parseCidr, parseIp } from '../../src/base/index.ts';
import { IpvlanDriver, MacvlanDriver, ParentLinks } from '../../src/drivers/index.ts';
import { createNetns, deleteNetns, type Rtnl } from '../../src/kernel/index.ts';
import type { NetworkDriver } from '../../src/model/index.ts';
import { inOwnNamespaces, NetworkLab } from '../support/network-lab.ts';

const NEIGHBOUR = '10.88.0.254';
const NEIGHBOUR6 = 'fd88::fe';

const drivers = ({ rtnl }: { readonly rtnl: Rtnl }): readonly NetworkDriver[] => {
  const parents = new ParentLinks({ rtnl });
  return [new IpvlanDriver({ rtnl, parents }), new MacvlanDriver({ rtnl, parents })];
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

  ping(from: Id, to: string | undefined): void {
    this.inside(from, 'ping', '-n', '-c1', '-W10', to ?? '');
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
      lab.neighbour('ping', '-n', '-c1', '-W10', two.ip);
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
        lab.neighbour('ping', '-n', '-c1', '-W10', three.ip);
        assert.match(lab.inside(one.id, 'ip', 'route'), /^default dev eth0 /);
      });
    }

    it('private: the neighbour is reached, the other sandbox is not', async () => {
      await using lab = await LanLab.start();
      await lab.network('net', 'ipvlan', { parent: 'up0', ipvlan_flag: 'private' });
      const one = await lab.sandbox('net', 'one');
      const two = await lab.sandbox('net', 'two');
      lab.ping(one.id, NEIGHBOUR);
      lab.ping(two.id, NEIGHBOUR);
      assert.throws(() => lab.inside(one.id, 'ping', '-n', '-c1', '-W2', two.ip));
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
}
