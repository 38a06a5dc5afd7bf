import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { eventually } from '../../test/support/eventually.ts';
import { inOwnNamespaces, NetworkLab } from '../../test/support/network-lab.ts';
import { type Id, parseCidr, parseIp, parseMac } from '../base/index.ts';
import { MacvlanDriver, ParentLinks } from '../drivers/index.ts';

if (inOwnNamespaces(import.meta.filename)) {
  const inside = (lab: NetworkLab, id: Id, ...command: string[]): string =>
    execFileSync('nsenter', [`--net=${lab.networking.sandboxes.get(id)?.path ?? ''}`, ...command], {
      stdio: 'pipe',
      encoding: 'utf8',
    });
  const ping = (lab: NetworkLab, from: Id, to: string | undefined): string =>
    inside(lab, from, 'ping', '-c1', '-W5', to ?? '');
  const cannotPing = (lab: NetworkLab, from: Id, to: string | undefined): void => {
    assert.throws(() => inside(lab, from, 'ping', '-c1', '-W1', to ?? ''));
  };
  /** A server that answers every connection with its name. */
  const serve = async (lab: NetworkLab, id: Id, port: number, text: string): Promise<Disposable> => {
    const script = `require('net').createServer(s=>s.end(${JSON.stringify(text)})).listen(${port},'::',()=>console.log('up'))`;
    const path = lab.networking.sandboxes.get(id)?.path ?? '';
    const child = spawn('nsenter', [`--net=${path}`, process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    return { [Symbol.dispose]: () => child.kill('SIGKILL') };
  };
  const ask = async (host: string, port: number): Promise<string> => {
    const socket = connect({ host, port });
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    await once(socket, 'close');
    return text;
  };

  describe('networking on a real kernel', () => {
    it('makes the predefined networks at first, and once', async () => {
      await using lab = await NetworkLab.start();
      const names = lab.networking.networks.list().map(({ name, driver }) => `${name} ${driver}`);
      assert.deepEqual(names, ['none null', 'host host', 'bridge bridge']);
      assert.ok(lab.links().includes('fairway0'));
    });

    it('lets two sandboxes of a network reach each other, and leaves nothing of them', async () => {
      await using lab = await NetworkLab.start();
      const { networks, sandboxes } = lab.networking;
      const before = lab.links();
      const { network } = await networks.create({ name: 'net' });
      const one = await lab.sandbox();
      const two = await lab.sandbox();
      const first = await lab.attach(one, 'net', 'one');
      const second = await lab.attach(two, 'net', 'two');
      assert.equal(first.ifname, 'eth0');
      ping(lab, one, second.ipv4?.ip);
      ping(lab, two, first.ipv4?.ip);
      ping(lab, two, network.pools[0]?.gateway);
      await assert.rejects(networks.remove('net'), /has active endpoints \(name:"one" id:/);
      await sandboxes.close(one);
      await sandboxes.detach(two, network.id);
      assert.deepEqual(sandboxes.endpoints(two), []);
      await sandboxes.close(two);
      await networks.remove('net');
      assert.deepEqual(await lab.store.list('unfinished/'), []);
      await lab.stop();
      await using again = await NetworkLab.start({ store: lab.store }, lab.directory);
      assert.deepEqual(again.links(), before);
    });

    it('keeps two networks apart, and an internal one from its way out', async () => {
      await using lab = await NetworkLab.start();
      await lab.networking.networks.create({ name: 'a' });
      await lab.networking.networks.create({ name: 'b' });
      await lab.networking.networks.create({ name: 'inner', internal: true });
      const [one, two, three] = [await lab.sandbox(), await lab.sandbox(), await lab.sandbox()];
      await lab.attach(one, 'a', 'one');
      const second = await lab.attach(two, 'b', 'two');
      await lab.attach(three, 'inner', 'three');
      cannotPing(lab, one, second.ipv4?.ip);
      assert.match(inside(lab, one, 'ip', 'route'), /^default via/);
      assert.doesNotMatch(inside(lab, three, 'ip', 'route'), /default/);
    });

    it('separates containers where icc is off', async () => {
      await using lab = await NetworkLab.start();
      await lab.networking.networks.create({
        name: 'quiet',
        options: { 'com.docker.network.bridge.enable_icc': 'false' },
      });
      const [one, two] = [await lab.sandbox(), await lab.sandbox()];
      await lab.attach(one, 'quiet', 'one');
      const second = await lab.attach(two, 'quiet', 'two');
      cannotPing(lab, one, second.ipv4?.ip);
      ping(lab, one, second.gateway4);
    });

    it('carries both families', async () => {
      await using lab = await NetworkLab.start();
      await lab.networking.networks.create({ name: 'dual', enableIpv6: true });
      const [one, two] = [await lab.sandbox(), await lab.sandbox()];
      await lab.attach(one, 'dual', 'one');
      const second = await lab.attach(two, 'dual', 'two');
      ping(lab, one, second.ipv6?.ip);
      ping(lab, one, second.gateway6);
      assert.match(inside(lab, one, 'ip', '-6', 'route'), /default via/);
    });

    it('publishes a port, on loopback too, and gives it to one only', async () => {
      await using lab = await NetworkLab.start();
      await lab.networking.networks.create({ name: 'net' });
      const id = await lab.sandbox({ ports: [{ host: 8080, container: 80 }] });
      const endpoint = await lab.attach(id, 'net', 'web');
      using _server = await serve(lab, id, 80, 'hello');
      assert.equal(await ask('127.0.0.1', 8080), 'hello');
      assert.equal(await ask(endpoint.gateway4 ?? '', 8080), 'hello');
      const other = await lab.sandbox({ ports: [{ host: 8080, container: 80 }] });
      await assert.rejects(
        lab.attach(other, 'net', 'other'),
        /^FairwayError: driver failed programming external connectivity on endpoint other \([0-9a-f]{64}\): Bind for .*:8080 failed: port is already allocated$/,
      );
      assert.equal(await ask('127.0.0.1', 8080), 'hello');
      assert.deepEqual(lab.networking.sandboxes.endpoints(other), []);
      await lab.networking.sandboxes.close(id);
      await lab.attach(other, 'net', 'other');
    });

    it('moves default route and ports to the network that gives the gateway', async () => {
      await using lab = await NetworkLab.start();
      const { networks, sandboxes } = lab.networking;
      await networks.create({ name: 'a' });
      const { network } = await networks.create({ name: 'b' });
      const id = await lab.sandbox({ ports: [{ host: 8081, container: 80 }] });
      const first = await lab.attach(id, 'a', 'web');
      using _server = await serve(lab, id, 80, 'hello');
      const second = await lab.attach(id, 'b', 'web', { gatewayPriority: 1 });
      assert.equal(second.ifname, 'eth1');
      assert.match(inside(lab, id, 'ip', 'route'), new RegExp(`default via ${second.gateway4} dev eth1`));
      assert.equal(await ask('127.0.0.1', 8081), 'hello');
      await sandboxes.detach(id, network.id);
      assert.match(inside(lab, id, 'ip', 'route'), new RegExp(`default via ${first.gateway4} dev eth0`));
      assert.doesNotMatch(inside(lab, id, 'ip', 'link'), /eth1/);
      assert.equal(await ask('127.0.0.1', 8081), 'hello');
      assert.equal(await ask('::1', 8081), 'hello');
    });

    it('takes everything up again after a restart without touching what lives', async () => {
      await using lab = await NetworkLab.start();
      await lab.networking.networks.create({ name: 'net' });
      const [one, two] = [await lab.sandbox({ ports: [{ host: 8082, container: 80 }] }), await lab.sandbox()];
      const web = await lab.attach(one, 'net', 'web');
      const second = await lab.attach(two, 'net', 'two');
      using _server = await serve(lab, one, 80, 'hello');
      const links = lab.links();
      await lab.stop();
      assert.equal(await ask(web.gateway4 ?? '', 8082), 'hello');
      await using again = await NetworkLab.start({ store: lab.store }, lab.directory);
      assert.deepEqual(again.links(), links);
      assert.equal(await ask('127.0.0.1', 8082), 'hello');
      ping(again, one, second.ipv4?.ip);
      assert.deepEqual(again.networking.sandboxes.endpoints(one), [web]);
      const three = await again.sandbox();
      const third = await again.attach(three, 'net', 'three');
      ping(again, three, second.ipv4?.ip);
      assert.notEqual(third.ipv4?.ip, second.ipv4?.ip);
      for (const id of [one, two]) await again.networking.sandboxes.close(id);
    });

    it('uses a bridge that is there and gives it back as it was', async () => {
      await using lab = await NetworkLab.start();
      const { index } = lab.rtnl.links.createBridge({ name: 'mine' });
      const addresses = (): number => lab.rtnl.addresses.list(index).filter(({ family }) => family === 4).length;
      const options = { 'com.docker.network.bridge.name': 'mine' };
      await lab.networking.networks.create({ name: 'net', options });
      assert.equal(addresses(), 1);
      await assert.rejects(
        lab.networking.networks.create({ name: 'twin', options }),
        /conflicts with network [0-9a-f]{64} \(mine\): networks have same bridge name/,
      );
      await lab.networking.networks.remove('net');
      assert.equal(addresses(), 0);
      assert.ok(lab.links().includes('mine'));
    });

    it('tells the neighbours when an address moves to another Ethernet address', async () => {
      await using lab = await NetworkLab.start();
      const { sandboxes, networks } = lab.networking;
      const { network } = await networks.create({ name: 'net' });
      const [one, two] = [await lab.sandbox(), await lab.sandbox()];
      await lab.attach(one, 'net', 'one');
      const ipv4 = parseIp((network.pools[0]?.gateway ?? '').replace(/1$/, '77'));
      await lab.attach(two, 'net', 'two', { ipv4, mac: parseMac('02:00:00:00:00:01') });
      ping(lab, one, ipv4);
      await sandboxes.detach(two, network.id);
      await lab.attach(two, 'net', 'two', { ipv4, mac: parseMac('02:00:00:00:00:02') });
      await eventually(() => assert.match(inside(lab, one, 'ip', 'neigh', 'show', ipv4), /02:00:00:00:00:02/));
    });

    it('puts containers beside the host on its own link', async () => {
      await using lab = await NetworkLab.start({
        drivers: ({ rtnl }) => [new MacvlanDriver({ rtnl, parents: new ParentLinks({ rtnl }) })],
      });
      const { networks, sandboxes } = lab.networking;
      const { index } = lab.rtnl.links.createVeth({ name: 'up0', peerName: 'up1' });
      for (const one of [index, lab.rtnl.links.get('up1')?.index ?? 0]) lab.rtnl.links.set(one, { up: true });
      const pools = [{ subnet: parseCidr('10.88.0.0/24'), gateway: parseIp('10.88.0.254') }];
      await networks.create({ name: 'lan', driver: 'macvlan', options: { parent: 'up0' }, ipam: { pools } });
      const [one, two] = [await lab.sandbox(), await lab.sandbox({ ports: [{ host: 8083, container: 80 }] })];
      await lab.attach(one, 'lan', 'one');
      const second = await lab.attach(two, 'lan', 'two');
      assert.match(inside(lab, one, 'ip', 'route'), /default via 10\.88\.0\.254 dev eth0/);
      ping(lab, one, second.ipv4?.ip);
      assert.deepEqual(sandboxes.get(two)?.ports.published, []);
      await sandboxes.close(one);
      await sandboxes.close(two);
      await networks.remove('lan');
      assert.ok(lab.links().includes('up0'));
      lab.rtnl.links.delete('up0');
    });

    it('shares the host network', async () => {
      await using lab = await NetworkLab.start();
      const id = await lab.sandbox({ host: true });
      const endpoint = await lab.attach(id, 'host', 'one');
      assert.equal(endpoint.ifname, undefined);
      await lab.networking.sandboxes.close(id);
      const alone = await lab.sandbox();
      await lab.attach(alone, 'none', 'two');
      assert.equal(inside(lab, alone, 'ls', '/sys/class/net') === '', false);
    });
  });
}
