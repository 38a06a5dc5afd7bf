import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Ip } from '../../base/index.ts';
import { extraHostLines, hostsFile, ownLines } from '../etc/index.ts';
import { setUp, specOf } from '../testing/index.ts';
import { orderedNetworks, validateNetworking } from './validate.ts';

const BRIDGE = [{ name: 'bridge', request: {} }];

describe('network options', () => {
  it('that cannot go together are refused in Docker’s words', () => {
    const refused = (network: NonNullable<Parameters<typeof specOf>[0]>['network'], message: string): void =>
      assert.throws(() => validateNetworking(specOf({ network: network ?? {} }), []), { message });
    const mode = 'container:x';
    refused({ mode, hostname: 'h' }, 'conflicting options: hostname and the network mode');
    refused({ mode, publishAll: true }, 'conflicting options: port publishing and the container type network mode');
    refused({ mode, dns: ['1.1.1.1' as Ip] }, 'conflicting options: dns and the network mode');
    refused({ mode, extraHosts: ['a:1.2.3.4'] }, 'conflicting options: custom host-to-IP mapping and the network mode');
    refused(
      { mode: 'host', links: ['a'] },
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
    refused({ mode: 'container:' }, 'invalid network mode: invalid container format container:<name|id>');
    refused({ extraHosts: ['nonsense'] }, 'bad format for add-host: "nonsense"');
  });

  it('put the network of the mode first', () => {
    const names = (mode: string, networks: string[]): string[] =>
      orderedNetworks(
        specOf({ network: { mode } }),
        networks.map((name) => ({ name, request: {} })),
      ).map(({ name }) => name);
    assert.deepEqual(names('b', ['a', 'b', 'c']), ['b', 'a', 'c']);
    assert.deepEqual(names('bridge', []), ['bridge']);
    assert.deepEqual(names('container:x', ['a']), []);
  });
});

describe('/etc of a container', () => {
  it('names the container, extra hosts and the gateway of the host', () => {
    assert.deepEqual(extraHostLines(['a:1.2.3.4', 'v6:[::1]', 'gw:host-gateway'], ['10.0.0.1', 'fd00::1']), [
      { ip: '1.2.3.4', names: ['a'] },
      { ip: '::1', names: ['v6'] },
      { ip: '10.0.0.1', names: ['gw'] },
      { ip: 'fd00::1', names: ['gw'] },
    ]);
    assert.deepEqual(ownLines(['10.0.0.2'], 'web', 'example.org'), [
      { ip: '10.0.0.2', names: ['web.example.org', 'web'] },
    ]);
    assert.deepEqual(ownLines(['10.0.0.2'], 'web.example.org', undefined), [
      { ip: '10.0.0.2', names: ['web.example.org', 'web'] },
    ]);
    assert.equal(
      hostsFile({ ipv6: false, lines: [{ ip: '10.0.0.2', names: ['web'] }] }),
      '127.0.0.1\tlocalhost\n10.0.0.2\tweb\n',
    );
  });

  it('keeps a resolv.conf that was changed by hand', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    await containers.create({ name: 'edited', spec: specOf(), networks: BRIDGE });
    await containers.start('edited');
    const { resolvConf } = (await containers.inspect('edited')).paths;
    assert.equal(readFileSync(resolvConf, 'utf8'), 'nameserver 127.0.0.11\n');
    writeFileSync(resolvConf, 'nameserver 9.9.9.9\n');
    await containers.connect('edited', 'other', {});
    await containers.restart('edited');
    assert.equal(readFileSync(resolvConf, 'utf8'), 'nameserver 9.9.9.9\n');
  });

  it('knows the containers it is linked to, as does the environment', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const db = specOf({ network: { exposed: [{ protocol: 'tcp', port: 5432 }] }, process: { env: ['USER=me'] } });
    const { id } = await containers.create({ name: 'db', spec: db, networks: BRIDGE });
    const app = specOf({ network: { links: ['db:store'] } });
    const made = await containers.create({ name: 'app', spec: app, networks: BRIDGE });
    await assert.rejects(containers.start('app'), {
      message: /Cannot link to a non running container: \/db AS \/app\/store/,
    });
    await containers.start('db');
    await containers.start('app');
    const hosts = readFileSync((await containers.inspect('app')).paths.hosts, 'utf8');
    assert.ok(hosts.includes(`172.17.0.2\tstore ${id.slice(0, 12)} db\n`), hosts);
    const { process } = setup.containerd.records.get(made.id) as { process: { env: string[] } };
    assert.ok(process.env.includes('STORE_PORT_5432_TCP=tcp://172.17.0.2:5432'));
    assert.ok(process.env.includes('STORE_ENV_USER=me'));
    assert.ok(process.env.includes('STORE_NAME=/app/store'));
  });

  it('keeps the configured address of a stopped container reserved', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const networks = [{ name: 'other', request: { ipv4: '10.9.0.5' as Ip } }];
    const { id } = await containers.create({ name: 'fixed', spec: specOf({ network: { mode: 'other' } }), networks });
    assert.deepEqual([...setup.network.reserved.values()], [[{ networkId: 'c'.repeat(64), ip: '10.9.0.5' }]]);
    await containers.remove(id);
    assert.equal(setup.network.reserved.size, 0);
  });
});
