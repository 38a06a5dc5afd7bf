import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startEngine,
  TestLan,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine({
    images: [
      { name: 'busybox:latest' },
      { name: 'web:latest', config: { Cmd: ['httpd', '-f', '-h', '/etc'], ExposedPorts: { '80/tcp': {} } } },
    ],
  });
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

// Debian's busybox crashes on wget's own -T.
const fetch = (url: string, seconds = 10): string[] => [
  'busybox',
  'timeout',
  String(seconds),
  'busybox',
  'wget',
  '-qO-',
  `${url}/group`,
];

const ECHO = `const s = require('dgram').createSocket('udp4');
  s.on('message', (data, peer) => s.send(data, peer.port, peer.address)).bind(9000, () => console.log('ready'))`;
const ASK = `const s = require('dgram').createSocket('udp4'); const [host, port] = process.argv.slice(1);
  setInterval(() => s.send('hello', Number(port), host), 200);
  s.once('message', (data) => { process.stdout.write(data); process.exit(0); });`;

const STAY = `const [host, port] = process.argv.slice(1);
  require('net').connect({ host, port }, () => process.stdout.write('on')).resume().on('close', () => process.stdout.write(', off'));`;

describe('published ports', () => {
  test('are reached from outside, from the host by both addresses, and from containers by the host address', async () => {
    const { docker, lan, host } = engine;
    await docker('run', '-d', '--name', 'web', '-p', '8080:80', 'web');
    assert.match(await lan.ok(fetch(`http://${host.address}:8080`)), /root/);
    assert.match(await host.ok(fetch(`http://${host.address}:8080`)), /root/);
    assert.match(await host.ok(fetch('http://127.0.0.1:8080')), /root/);
    assert.match(await docker('run', '--rm', 'busybox', ...fetch(`http://${host.address}:8080`)), /root/);
    assert.match(await docker('exec', 'web', ...fetch(`http://${host.address}:8080`)), /root/);
    assert.equal(await docker('port', 'web'), '80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080');
    assert.match(await docker('ps', '--format', '{{.Ports}}'), /0\.0\.0\.0:8080->80\/tcp/);
    await docker('rm', '-f', 'web');
    assert.notEqual((await lan.run(fetch(`http://${host.address}:8080`))).code, 0);
    await assertUnchanged(host, clean);
  });

  test('what is not published is not reached from outside, not even by the address of the container', async () => {
    const { docker, lan, host } = engine;
    await docker('run', '-d', '--name', 'web', '-p', '8080:80', 'web');
    const address = await docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'web');
    await lan.ok(['ip', 'route', 'add', '172.17.0.0/16', 'via', host.address]);
    assert.notEqual((await lan.run(fetch(`http://${address}`, 2))).code, 0);
    assert.match(await host.ok(fetch(`http://${address}`)), /root/);
    await lan.ok(['ip', 'route', 'del', '172.17.0.0/16']);
    await docker('rm', '-f', 'web');
    await assertUnchanged(host, clean);
  });

  test('on 127.0.0.1 are for the host alone', async () => {
    const { docker, lan, host } = engine;
    await docker('run', '-d', '--name', 'web', '-p', '127.0.0.1:8081:80', 'web');
    assert.match(await host.ok(fetch('http://127.0.0.1:8081')), /root/);
    assert.notEqual((await lan.run(fetch(`http://${host.address}:8081`, 2))).code, 0);
    await docker('rm', '-f', 'web');
    await assertUnchanged(host, clean);
  });

  test('carry UDP', async () => {
    const { docker, lan, host } = engine;
    await docker('run', '-d', '--name', 'echo', '-p', '9000:9000/udp', 'busybox', 'sleep', '600');
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'echo');
    // busybox here has no UDP tool, so both ends are Node's; the server stands in the container's network namespace.
    const server = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', ECHO], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(server.stdout, 'data');
    assert.equal(await lan.ok([process.execPath, '-e', ASK, host.address, '9000']), 'hello');
    assert.equal(await host.ok([process.execPath, '-e', ASK, '127.0.0.1', '9000']), 'hello');
    server.kill('SIGKILL');
    await docker('rm', '-f', 'echo');
    await assertUnchanged(host, clean);
  });

  test('of -P take an ephemeral port for every exposed one', async () => {
    const { docker, lan, host } = engine;
    await docker('run', '-d', '--name', 'web', '-P', 'web');
    const line = (await docker('port', 'web', '80/tcp')).split('\n')[0] ?? '';
    const port = line.replace(/.*:/, '');
    assert.match(port, /^\d{4,5}$/);
    assert.match(await lan.ok(fetch(`http://${host.address}:${port}`)), /root/);
    await docker('rm', '-f', 'web');
    await assertUnchanged(host, clean);
  });

  test('taken ones are refused in the words of Docker, and nothing is left', async () => {
    const { docker, host } = engine;
    await docker('run', '-d', '--name', 'first', '-p', '8080:80', 'web');
    const second = await docker.run(['run', '-d', '--name', 'second', '-p', '8080:80', 'web']);
    assert.equal(second.code, 125);
    assert.match(
      second.stderr,
      /failed to set up container networking: driver failed programming external connectivity on endpoint second \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated/,
    );
    assert.equal(await docker('inspect', '-f', '{{.State.Status}}', 'second'), 'created');
    await docker('rm', 'second');
    await docker('rm', '-f', 'first');
    await assertUnchanged(host, clean);
  });

  test('held by another process are refused, and a held port refuses other processes', async () => {
    const { docker, host } = engine;
    await host.ok(['sh', '-c', 'busybox httpd -p 8090 -h /etc']);
    const refused = await docker.run(['run', '--rm', '-p', '8090:80', 'web']);
    assert.equal(refused.code, 125);
    assert.match(refused.stderr, /address already in use/);
    await docker('run', '-d', '--name', 'web', '-p', '8091:80', 'web');
    const other = await host.run(['busybox', 'nc', '-l', '-p', '8091', '-w', '1']);
    assert.match(other.stderr, /Address already in use/);
    await docker('rm', '-f', 'web');
    for (const { pid, command } of host.processes()) if (command === 'busybox') process.kill(pid);
    await assertUnchanged(host, clean);
  });

  test('reach a container with IPv4 only through ::1 and the IPv6 address of the host', async () => {
    const { docker, lan, host } = engine;
    await docker('run', '-d', '--name', 'web', '-p', '8080:80', 'web');
    assert.match(await host.ok(fetch('http://[::1]:8080')), /root/);
    assert.match(await lan.ok(fetch(`http://[${host.address6}]:8080`)), /root/);
    await docker('rm', '-f', 'web');
    await assertUnchanged(host, clean);
  });

  test('relayed connections end with the daemon, and are taken again by the next', async () => {
    const { daemon, docker, host } = engine;
    await docker('run', '-d', '--name', 'web', '-p', '8080:80', 'web');
    const [program = '', ...args] = host.inside([process.execPath, '-e', STAY, '::1', '8080']);
    const client = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const said: string[] = [];
    client.stdout.setEncoding('utf8').on('data', (text: string) => said.push(text));
    await eventually(() => assert.equal(said.join(''), 'on'));
    assert.match(await host.ok(fetch('http://[::1]:8080')), /root/);
    const ended = once(client, 'exit');
    assert.equal(await daemon.stop(), 0);
    await ended;
    assert.equal(said.join(''), 'on, off');
    await daemon.start();
    assert.match(await host.ok(fetch('http://[::1]:8080')), /root/);
    await docker('rm', '-f', 'web');
    await assertUnchanged(host, clean);
  });

  test('come back by themselves when somebody flushes the whole packet filter', async () => {
    const { docker, lan, host } = engine;
    await docker('run', '-d', '--name', 'web', '-p', '8080:80', 'web');
    await host.ok(['nft', 'flush', 'ruleset']);
    await eventually(async () => assert.match(await lan.ok(fetch(`http://${host.address}:8080`)), /root/));
    await docker('rm', '-f', 'web');
    await assertUnchanged(host, clean);
  });

  test('the outside sees the LAN address of the host when a container calls out', async () => {
    const { docker, lan, host } = engine;
    const seen = await docker.run([
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      `ping -c 1 -W 2 ${TestLan.address} && ip route get ${TestLan.address}`,
    ]);
    assert.equal(seen.code, 0, seen.stderr);
    const neighbours = await lan.ok(['ip', 'neigh']);
    assert.match(neighbours, new RegExp(host.address.replaceAll('.', '\\.')));
    assert.doesNotMatch(neighbours, /172\.17\./);
  });
});
