import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Client,
  commandLines,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine({ images: [{ name: 'busybox:latest' }, { name: 'iputils:latest', iputils: true }] });
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** The transcript that the project exists for, word for word where the client allows it. */
async function transcript(client: Client): Promise<void> {
  await client('network', 'create', 'my-net');
  const id = await client(
    'run',
    '-d',
    '--name',
    'mysqld5.7',
    '--network',
    'my-net',
    'busybox',
    'httpd',
    '-f',
    '-p',
    '3306',
    '-h',
    '/etc',
  );
  assert.match(id, /^[0-9a-f]{64}$/);

  const ping = await client(
    'run',
    '--rm',
    '--network',
    'my-net',
    'iputils',
    'ping',
    '-c',
    '3',
    '-i',
    '0.2',
    'mysqld5.7',
  );
  assert.match(ping, /64 bytes from mysqld5\.7\.my-net \(172\.18\.0\.2\): icmp_seq=1 ttl=64/);
  assert.match(ping, /3 packets transmitted, 3 received, 0% packet loss/);
  const busyboxPing = await client('run', '--rm', '--network', 'my-net', 'busybox', 'ping', '-c', '1', 'mysqld5.7');
  assert.match(busyboxPing, /PING mysqld5\.7 \(172\.18\.0\.2\)/);
  const page = await client(
    'run',
    '--rm',
    '--network',
    'my-net',
    'busybox',
    'wget',
    '-qO-',
    'http://mysqld5.7:3306/group',
  );
  assert.match(page, /nogroup:x:65534/);

  const [network] = JSON.parse(await client('network', 'inspect', 'my-net')) as [
    {
      Containers: Record<string, { Name: string; IPv4Address: string; MacAddress: string; EndpointID: string }>;
      IPAM: unknown;
      Driver: string;
    },
  ];
  assert.equal(network.Driver, 'bridge');
  assert.equal(network.Containers[id]?.Name, 'mysqld5.7');
  assert.equal(network.Containers[id]?.IPv4Address, '172.18.0.2/16');
  assert.match(network.Containers[id]?.MacAddress ?? '', /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  assert.match(network.Containers[id]?.EndpointID ?? '', /^[0-9a-f]{64}$/);

  assert.match(await client('network', 'ls'), /my-net\s+bridge\s+local/);
  assert.match(
    await client('ps'),
    new RegExp(`${id.slice(0, 12)}\\s+busybox\\s+"httpd -f -p 3306 -h…?.*"\\s+.* ago\\s+Up .*\\s+mysqld5\\.7`),
  );
  assert.equal(await client('exec', 'mysqld5.7', 'cat', '/etc/hostname'), id.slice(0, 12));
  assert.equal(await client('logs', 'mysqld5.7'), '');
  assert.equal(await client('rm', '-f', 'mysqld5.7'), 'mysqld5.7');
  assert.equal(await client('network', 'rm', 'my-net'), 'my-net');
}

describe('two containers on a network of their own talk by name', () => {
  for (const name of ['docker', 'docker20', 'fairway'] as const) {
    test(`driven by ${name}`, async () => {
      await transcript(engine[name]);
      await assertUnchanged(engine.host, clean);
    });
  }

  test('driven by dockerode', async () => {
    const { dockerode } = engine;
    const network = await dockerode.createNetwork({ Name: 'my-net' });
    const server = await dockerode.createContainer({
      name: 'mysqld5.7',
      Image: 'busybox',
      Cmd: ['httpd', '-f', '-p', '3306', '-h', '/etc'],
      HostConfig: { NetworkMode: 'my-net' },
    });
    await server.start();
    const chunks: Buffer[] = [];
    const { PassThrough } = await import('node:stream');
    const output = new PassThrough();
    output.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [result] = (await dockerode.run('busybox', ['wget', '-qO-', 'http://mysqld5.7:3306/group'], output, {
      HostConfig: { NetworkMode: 'my-net', AutoRemove: true },
    })) as [{ StatusCode: number }];
    assert.equal(result.StatusCode, 0);
    assert.match(Buffer.concat(chunks).toString(), /nogroup:x:65534/);
    await server.remove({ force: true });
    await network.remove();
    await assertUnchanged(engine.host, clean);
  });

  test('the default bridge resolves no names, and a live move to a network of their own does', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'test_demo', 'iputils', 'sleep', '600');
    await docker('run', '-d', '--name', 'mysqld5.7', 'iputils', 'sleep', '600');
    assert.match(await docker('exec', 'test_demo', 'ping', '-c', '1', '172.17.0.3'), /1 received/);
    const refused = await docker.run(['exec', 'test_demo', 'ping', '-c', '1', 'mysqld5.7']);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr + refused.stdout, /ping: mysqld5\.7: /);

    await docker('network', 'create', 'my-net');
    await docker('network', 'connect', 'my-net', 'test_demo');
    await docker('network', 'connect', 'my-net', 'mysqld5.7');
    assert.match(
      await docker('exec', 'test_demo', 'ping', '-c', '1', 'mysqld5.7'),
      /64 bytes from mysqld5\.7\.my-net \(172\.18\.0\.3\)/,
    );
    await docker('network', 'disconnect', 'bridge', 'test_demo');
    await docker('network', 'disconnect', 'bridge', 'mysqld5.7');
    assert.match(await docker('exec', 'test_demo', 'ip', 'route'), /default via 172\.18\.0\.1/);
    assert.match(await docker('exec', 'test_demo', 'ping', '-c', '1', 'mysqld5.7'), /1 received/);
    await docker('rm', '-f', 'test_demo', 'mysqld5.7');
    await docker('network', 'rm', 'my-net');
    await assertUnchanged(engine.host, clean);
  });

  test('two networks do not reach each other, and a container on both reaches both', async () => {
    const { docker } = engine;
    await docker('network', 'create', 'front');
    await docker('network', 'create', 'back');
    await docker('run', '-d', '--name', 'web', '--network', 'front', 'busybox', 'sleep', '600');
    await docker('run', '-d', '--name', 'db', '--network', 'back', 'busybox', 'sleep', '600');
    const addressOf = (name: string): Promise<string> =>
      docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', name);
    const db = await addressOf('db');
    assert.notEqual((await docker.run(['exec', 'web', 'ping', '-c', '1', '-W', '1', db])).code, 0);
    assert.notEqual((await docker.run(['exec', 'web', 'nslookup', 'db'])).code, 0);
    await docker('network', 'connect', 'back', 'web');
    await docker('exec', 'web', 'ping', '-c', '1', 'db');
    await docker('rm', '-f', 'web', 'db');
    await docker('network', 'rm', 'front', 'back');
    await assertUnchanged(engine.host, clean);
  });

  test('an internal network has no way out and no default route', async () => {
    const { docker } = engine;
    await docker('network', 'create', '--internal', 'closed');
    await docker('network', 'create', 'open');
    const out = ['timeout', '5', 'wget', '-qO-', 'http://10.99.0.254:8000/'];
    await engine.lan.ok(['sh', '-c', 'busybox httpd -p 8000 -h /etc']);
    const open = await docker.run(['run', '--rm', '--network', 'open', 'busybox', ...out]);
    assert.match(open.stderr, /404/);
    const closed = await docker.run([
      'run',
      '--rm',
      '--network',
      'closed',
      'busybox',
      'sh',
      '-c',
      `ip route; ${out.join(' ')}`,
    ]);
    assert.doesNotMatch(closed.stdout, /default/);
    assert.match(closed.stderr, /Network is unreachable|can't connect/);
    await docker('network', 'rm', 'closed', 'open');
    await eventually(() => assertUnchanged(engine.host, clean));
  });

  test('every command line lists the three predefined networks', async () => {
    for (const client of commandLines(engine)) {
      const table = await client('network', 'ls');
      assert.match(table, /NETWORK ID\s+NAME\s+DRIVER\s+SCOPE/);
      for (const [name, driver] of [
        ['bridge', 'bridge'],
        ['host', 'host'],
        ['none', 'null'],
      ]) {
        assert.match(table, new RegExp(`[0-9a-f]{12}\\s+${name}\\s+${driver}\\s+local`), client.name);
      }
    }
  });
});
