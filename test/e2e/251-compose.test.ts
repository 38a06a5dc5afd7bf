import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  ok,
  type RunResult,
  run,
  type Snapshot,
  snapshot,
  startEngine,
  startRegistry,
} from '../support/index.ts';

const PROGRAM = '/usr/bin/docker-compose';

const PROJECT = `
services:
  db:
    image: 127.0.0.1:5000/store
    command: sh -c 'sleep 0.5; touch /data/ready; exec httpd -f -h /data'
    volumes: [data:/data, "/anonymous"]
    healthcheck: {test: [CMD, test, -e, /data/ready], interval: 1s, retries: 60}
    networks: {back: {aliases: [database], ipv4_address: 10.40.0.10, ipv6_address: "fd40::10"}}
    stop_grace_period: 0s
  web:
    image: 127.0.0.1:5000/store
    command: sh -c 'n=0; while true; do n=$$((n+1)); echo line $$n; sleep 0.2; done'
    links: ["db:storage"]
    depends_on: {db: {condition: service_healthy}}
    environment: {GREETING: hello}
    networks: [front, back]
    expose: ["81"]
    stop_grace_period: 0s
  page:
    image: 127.0.0.1:5000/store
    command: httpd -f -h /etc
    networks: [front]
    ports: ["80"]
    stop_grace_period: 0s
  tool:
    image: 127.0.0.1:5000/store
    command: echo a tool
    networks: [back]
    profiles: [tools]
networks:
  front: {}
  back:
    enable_ipv6: true
    ipam: {config: [{subnet: 10.40.0.0/24}, {subnet: "fd40::/64"}]}
volumes:
  data: {}
`;

let engine: Engine;
let clean: Snapshot;
let folder: string;

before(async () => {
  engine = await startEngine();
  const { docker, host } = engine;
  await startRegistry(host);
  await docker('tag', 'busybox', '127.0.0.1:5000/store');
  await docker('push', '-q', '127.0.0.1:5000/store');
  await docker('rmi', '127.0.0.1:5000/store');
  folder = join(host.directory, 'shop');
  mkdirSync(folder);
  writeFileSync(join(folder, 'docker-compose.yml'), `version: "2.4"\n${PROJECT}`);
  clean = await snapshot(host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const environment = () => ({ cwd: folder, env: { DOCKER_HOST: `unix://${engine.daemon.socket}` } });
const compose = (line: string): Promise<string> => ok([PROGRAM, ...line.split(' ')], environment());
const tryCompose = (line: string): Promise<RunResult> => run([PROGRAM, ...line.split(' ')], environment());
const inspect = (name: string, format: string): Promise<string> => engine.docker('inspect', '-f', format, name);

/** A command that goes on until it is told to end; what it has printed so far. */
function follow(line: string): { readonly child: ChildProcess; readonly said: () => string } {
  const { cwd, env } = environment();
  const child = spawn(PROGRAM, line.split(' '), { cwd, env: { ...process.env, ...env, PYTHONUNBUFFERED: '1' } });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  return { child, said: () => said };
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

describe('docker-compose, command by command', () => {
  test('config and pull', async () => {
    assert.deepEqual((await compose('config --services')).split('\n').sort(), ['db', 'page', 'tool', 'web']);
    await compose('pull -q db web page');
    assert.notEqual(await engine.docker('images', '-q', '127.0.0.1:5000/store'), '');
  });

  test('up, with addresses, aliases, links and no service of another profile', async () => {
    await compose('up -d');
    assert.equal(
      await engine.docker('ps', '--format', '{{.Names}}').then((names) => names.split('\n').sort().join(' ')),
      'shop_db_1 shop_page_1 shop_web_1',
    );
    const db = '{{with index .NetworkSettings.Networks "shop_back"}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}';
    assert.equal(await inspect('shop_db_1', db), '10.40.0.10 fd40::10');
    assert.match(await compose('exec -T web env'), /^GREETING=hello$/m);
    for (const name of ['db', 'database', 'storage', 'shop_db_1']) await compose(`exec -T web ping -c 1 -W 5 ${name}`);
    assert.equal(await compose('run --rm -T tool'), 'a tool');
    assert.equal(await compose('run --rm -T --no-deps -e A=b tool sh -c env').then((env) => /^A=b$/m.test(env)), true);
  });

  test('ps, port, top, images and events', async () => {
    assert.match(await compose('ps'), /shop_db_1[\s\S]*Up \(healthy\)[\s\S]*shop_page_1[\s\S]*0\.0\.0\.0:\d+->80\/tcp/);
    assert.equal((await compose('ps -q')).split('\n').length, 3);
    const port = await compose('port page 80');
    assert.match(port, /^0\.0\.0\.0:\d+$/);
    const url = `http://${engine.host.address}:${port.split(':')[1]}/group`;
    assert.match(await engine.lan.ok(['busybox', 'timeout', '10', 'busybox', 'wget', '-qO-', url]), /root/);
    assert.match(await compose('top db'), /shop_db_1[\s\S]*httpd -f -h \/data/);
    assert.match(await compose('images'), /shop_db_1[\s\S]*127\.0\.0\.1:5000\/store[\s\S]*latest/);
    const { child, said } = follow('events --json');
    try {
      await eventually(async () => {
        await compose('pause page');
        await compose('unpause page');
        assert.match(said(), /"action": ?"pause"[\s\S]*"action": ?"unpause"/);
      });
      const event = JSON.parse(said().split('\n')[0] ?? '') as { service: string; attributes: { name: string } };
      assert.equal(event.service, 'page');
      assert.equal(event.attributes.name, 'shop_page_1');
    } finally {
      await end(child);
    }
  });

  test('logs, with -f, --tail and -t', async () => {
    assert.match(await compose('logs --no-color --tail 1 web'), /web_1 +\| line \d+/);
    const { child, said } = follow('logs -f -t --no-color --tail 1 web');
    try {
      await eventually(() => assert.ok(said().split('\n').length > 5, said()));
      assert.match(said(), /web_1 +\| \d{4}-\d\d-\d\dT[\d:.]+Z line \d+/);
    } finally {
      await end(child);
    }
  });

  test('exec, pause, stop, start, kill and restart', async () => {
    assert.equal((await run([PROGRAM, 'exec', '-T', 'web', 'sh', '-c', 'exit 7'], environment())).code, 7);
    const input = await run([PROGRAM, 'exec', '-T', 'web', 'cat'], { ...environment(), input: 'through\n' });
    assert.equal(input.stdout, 'through\n');
    await compose('pause web');
    assert.equal(await inspect('shop_web_1', '{{.State.Status}}'), 'paused');
    assert.match(await compose('ps web'), /Paused/);
    await compose('unpause web');
    await compose('stop -t 0 web');
    assert.match(await compose('ps web'), /Exit 137/);
    await compose('start web');
    await compose('kill -s SIGKILL page');
    await eventually(async () => assert.equal(await inspect('shop_page_1', '{{.State.ExitCode}}'), '137'));
    await compose('restart -t 0');
    await compose('exec -T web ping -c 1 -W 5 storage');
  });

  test('up again keeps what is as it should be, and by force makes everything anew with its volumes and addresses', async () => {
    const ids = await compose('ps -q');
    const again = await tryCompose('up -d');
    assert.match(again.stderr, /shop_db_1 is up-to-date/);
    assert.equal(await compose('ps -q'), ids);
    await compose('exec -T db touch /data/kept');
    await compose('exec -T db touch /anonymous/kept');
    for (let round = 0; round < 2; round += 1) await compose('up -d --force-recreate');
    assert.notEqual(await compose('ps -q'), ids);
    await compose('exec -T db ls /data/kept /anonymous/kept');
    const db = '{{with index .NetworkSettings.Networks "shop_back"}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}';
    assert.equal(await inspect('shop_db_1', db), '10.40.0.10 fd40::10');
    await compose('exec -T web ping -c 1 -W 5 database');
    assert.deepEqual((await engine.docker('ps', '-a', '--format', '{{.Names}}')).split('\n').sort(), [
      'shop_db_1',
      'shop_page_1',
      'shop_web_1',
    ]);
  });

  test('scale, up and down, by the name they share', async () => {
    await compose('up -d --scale page=3');
    const names = async (): Promise<number> =>
      (await compose('exec -T web nslookup page')).split('\n').filter((line) => /^Address.*172\./.test(line)).length;
    await eventually(async () => assert.equal(await names(), 3));
    const ports = await Promise.all([1, 2, 3].map((index) => compose(`port --index=${index} page 80`)));
    assert.equal(new Set(ports).size, 3);
    await compose('up -d --scale page=1 -t 0');
    await eventually(async () => assert.equal(await names(), 1));
  });

  test('rm and down leave nothing', async () => {
    await compose('rm -s -f -v page');
    assert.equal(await engine.docker('ps', '-aq', '--filter', 'name=shop_page'), '');
    await compose('down -v -t 0 --rmi all');
    assert.equal(await engine.docker('ps', '-aq'), '');
    // Docker too leaves an anonymous volume that was handed on from one container to the next.
    const left = await engine.docker('volume', 'ls', '-q');
    assert.match(left, /^[0-9a-f]{64}$/);
    await engine.docker('volume', 'rm', left);
    assert.equal(await engine.docker('images', '-q', '127.0.0.1:5000/store'), '');
    assert.equal(await engine.docker('network', 'ls', '-q', '--filter', 'type=custom'), '');
    await assertUnchanged(engine.host, clean);
  });
});
