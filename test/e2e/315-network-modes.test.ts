import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  RawApi,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

const docker = (line: string): Promise<string> => engine.docker(...line.split(' '));

before(async () => {
  engine = await startEngine();
  await docker('network create net');
  await docker('run -d --name parent busybox sleep 600');
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const CONFLICT = 'conflicting options: ';
const UNDEFINED_BEHAVIOUR = "can't be used with links. This would result in undefined behavior";
const SEVERAL =
  'container sharing network namespace with another container or host cannot be connected to any other network';

/** Mode, further members of the body and of its HostConfig, text. All are 400. */
const CONFLICTS: readonly (readonly [mode: string, config: object, hostConfig: object, message: string])[] = [
  ['container:', {}, {}, 'invalid network mode: invalid container format container:<name|id>'],
  ['container:parent', { Hostname: 'h' }, {}, `${CONFLICT}hostname and the network mode`],
  ['container:parent', {}, { Links: ['parent'] }, `${CONFLICT}container type network ${UNDEFINED_BEHAVIOUR}`],
  ['container:parent', {}, { Dns: ['192.0.2.1'] }, `${CONFLICT}dns and the network mode`],
  [
    'container:parent',
    {},
    { ExtraHosts: ['a:192.0.2.1'] },
    `${CONFLICT}custom host-to-IP mapping and the network mode`,
  ],
  ['container:parent', { MacAddress: '02:00:00:00:00:01' }, {}, `${CONFLICT}mac-address and the network mode`],
  [
    'container:parent',
    { ExposedPorts: { '80/tcp': {} } },
    { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
    `${CONFLICT}port publishing and the container type network mode`,
  ],
  ['container:parent', {}, { PublishAllPorts: true }, `${CONFLICT}port publishing and the container type network mode`],
  [
    'container:parent',
    { ExposedPorts: { '80/tcp': {} } },
    {},
    `${CONFLICT}port exposing and the container type network mode`,
  ],
  ['host', {}, { Links: ['parent'] }, `${CONFLICT}host type networking ${UNDEFINED_BEHAVIOUR}`],
  ['host', { Hostname: 'h' }, { UTSMode: 'host' }, `${CONFLICT}hostname and the UTS mode`],
  ['host', { NetworkingConfig: { EndpointsConfig: { host: {}, net: {} } } }, {}, SEVERAL],
  [
    'none',
    { NetworkingConfig: { EndpointsConfig: { none: {}, net: {} } } },
    {},
    'container cannot be connected to multiple networks with one of the networks in private (none) mode',
  ],
  [
    'net',
    { NetworkingConfig: { EndpointsConfig: { net: {}, none: {} } } },
    {},
    'container cannot be connected to multiple networks with one of the networks in private (none) mode',
  ],
];

async function create(mode: string, config: object = {}, hostConfig: object = {}, version = '1.48') {
  const body = { Image: 'busybox', Cmd: ['sleep', '600'], ...config, HostConfig: { NetworkMode: mode, ...hostConfig } };
  return await new RawApi(engine.daemon.socket, version).call('POST', '/containers/create?name=it', body);
}

describe('modes and what does not go with them', () => {
  for (const [mode, config, hostConfig, message] of CONFLICTS) {
    test(`${mode} and ${JSON.stringify(config)} ${JSON.stringify(hostConfig)}`, async () => {
      const answer = await create(mode, config, hostConfig);
      assert.equal(answer.message, message);
      assert.equal(answer.status, 400);
      await assertUnchanged(engine.host, clean);
    });
  }

  test('before 1.44 a MAC address goes with networks alone', async () => {
    for (const mode of ['host', 'none', 'container:parent']) {
      const answer = await create(mode, { MacAddress: '02:00:00:00:00:01' }, {}, '1.43');
      assert.equal(answer.message, `${CONFLICT}mac-address and the network mode`, mode);
      assert.equal(answer.status, 400);
    }
    const made = await create('net', { MacAddress: '02:00:00:00:00:01' }, {}, '1.43');
    assert.equal(made.status, 201, made.message);
    await docker('start it');
    assert.match(await docker('exec it ip link show eth0'), /02:00:00:00:00:01/);
    await docker('rm -f it');
    await assertUnchanged(engine.host, clean);
  });

  test('host goes with DNS, extra hosts and a host name, and discards published ports with a warning', async () => {
    const made = await create(
      'host',
      { Hostname: 'named', ExposedPorts: { '80/tcp': {} } },
      { Dns: ['192.0.2.1'], ExtraHosts: ['a:192.0.2.1'], PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
    );
    assert.equal(made.status, 201, made.message);
    assert.deepEqual((made.body as { Warnings: string[] }).Warnings, [
      'Published ports are discarded when using host network mode',
    ]);
    await docker('start it');
    assert.equal(await docker('exec it hostname'), 'named');
    assert.match(await docker('exec it cat /etc/hosts'), /^192\.0\.2\.1\ta$/m);
    const own = await engine.host.ok(['cat', '/sys/class/net/eth0/address']);
    assert.match(await docker('exec it ip link show eth0'), new RegExp(own));
    assert.equal(await docker('port it'), '');
    await docker('rm -f it');
    await assertUnchanged(engine.host, clean);
  });

  test('none has its loopback and nothing else', async () => {
    const made = await create('none');
    assert.equal(made.status, 201, made.message);
    await docker('start it');
    assert.match(await docker('exec it ip -o link'), /^1: lo: <LOOPBACK,UP[^\n]*$/);
    assert.equal(await docker('exec it ip route'), '');
    await docker('exec it ping -c 1 -W 5 127.0.0.1');
    await docker('rm -f it');
    await assertUnchanged(engine.host, clean);
  });
});

describe('joining the namespace of a container', () => {
  const refusedStart = async (mode: string): Promise<{ status: number; message: string }> => {
    const made = await create(mode);
    assert.equal(made.status, 201, made.message);
    const { status, message } = await new RawApi(engine.daemon.socket).call('POST', '/containers/it/start');
    await docker('rm -f it');
    return { status, message };
  };

  test('that is not there, does not run, is itself, or is restarting is refused', async () => {
    assert.deepEqual(await refusedStart('container:nobody'), {
      status: 500,
      message: 'joining network namespace of container: No such container: nobody',
    });
    assert.deepEqual(await refusedStart('container:it'), {
      status: 500,
      message: 'cannot join own network namespace',
    });
    await docker('create --name still busybox sleep 600');
    assert.deepEqual(await refusedStart('container:still'), {
      status: 409,
      message: 'cannot join network namespace of a non running container: container still is created',
    });
    await docker('run -d --name ended busybox true');
    await docker('wait ended');
    assert.deepEqual(await refusedStart('container:ended'), {
      status: 409,
      message: 'cannot join network namespace of a non running container: container ended is exited',
    });
    // It ends again and again, with longer and longer pauses.
    await docker('run -d --name often --restart always busybox false');
    await eventually(async () => {
      const { status, message } = await refusedStart('container:often');
      assert.equal(
        message,
        'cannot join network namespace of container: Container often is restarting, wait until the container is running',
      );
      assert.equal(status, 409);
    });
    await docker('rm -f still ended often');
    await assertUnchanged(engine.host, clean);
  });

  test('gives its interfaces, names, files and localhost, by name, id and prefix', async () => {
    const id = await docker('inspect -f {{.Id}} parent');
    for (const ref of ['parent', id, id.slice(0, 12)]) {
      await docker(`run -d --name it --network container:${ref} busybox nc -ll -p 4000 -e echo beside`);
      for (const command of ['hostname', 'ip -o addr', 'cat /etc/hosts', 'cat /etc/resolv.conf']) {
        assert.equal(await docker(`exec it ${command}`), await docker(`exec parent ${command}`), command);
      }
      await eventually(async () => assert.equal(await docker('exec parent timeout 10 nc 127.0.0.1 4000'), 'beside'));
      assert.equal(await docker('inspect -f {{.HostConfig.NetworkMode}} it'), `container:${ref}`);
      await docker('rm -f it');
    }
    await assertUnchanged(engine.host, clean);
  });
});
