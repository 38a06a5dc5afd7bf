import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  ok,
  run,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const PROJECT = `
version: "2.4"
services:
  db:
    image: busybox
    command: sh -c 'sleep 1; touch /data/ready; echo the database is ready; exec httpd -f -h /data'
    volumes: [data:/data]
    networks: {back: {aliases: [database], ipv4_address: 10.40.0.10}}
    healthcheck: {test: [CMD, test, -e, /data/ready], interval: 1s, retries: 60}
    stop_grace_period: 0s
  web:
    image: busybox
    command: httpd -f -h /etc
    environment: {GREETING: hello}
    depends_on: {db: {condition: service_healthy}}
    networks: [front, back]
    ports: ["8090:80"]
    stop_grace_period: 0s
networks:
  front: {}
  back:
    internal: true
    ipam: {config: [{subnet: 10.40.0.0/24}]}
volumes:
  data: {}
`;

describe("docker-compose, Debian's in Python", () => {
  test('runs a project from up to down', async () => {
    const { docker, host, daemon, lan } = engine;
    const folder = join(host.directory, 'shop');
    mkdirSync(folder);
    writeFileSync(join(folder, 'docker-compose.yml'), PROJECT);
    const environment = { cwd: folder, env: { DOCKER_HOST: `unix://${daemon.socket}` } };
    const compose = (...args: string[]): Promise<string> => ok(['/usr/bin/docker-compose', ...args], environment);

    await compose('up', '-d');
    assert.equal(await docker('inspect', '-f', '{{.State.Health.Status}}', 'shop_db_1'), 'healthy');
    assert.match(await compose('ps'), /shop_db_1 .* Up \(healthy\)[\s\S]*shop_web_1 .* Up .*0\.0\.0\.0:8090->80\/tcp/);
    await eventually(async () => assert.match(await compose('logs', '--no-color', 'db'), /the database is ready/));
    assert.equal(await compose('exec', '-T', 'web', 'sh', '-c', 'echo $GREETING'), 'hello');
    for (const name of ['db', 'database', 'shop_db_1', '10.40.0.10']) {
      await compose('exec', '-T', 'web', 'ping', '-c', '1', '-W', '5', name);
    }
    await eventually(() =>
      lan.ok(['busybox', 'timeout', '10', 'busybox', 'wget', '-qO-', `http://${host.address}:8090/group`]),
    );
    await compose('restart', '-t', '0', 'db');
    assert.equal(
      await docker('inspect', '-f', '{{(index .NetworkSettings.Networks "shop_back").IPAddress}}', 'shop_db_1'),
      '10.40.0.10',
    );
    const second = await run(['/usr/bin/docker-compose', 'up', '-d'], environment);
    assert.match(second.stderr, /shop_web_1 is up-to-date/);
    await compose('exec', '-T', 'web', 'ping', '-c', '1', '-W', '5', 'database');
    await compose('down', '-v', '-t', '0');
    assert.equal(await docker('ps', '-aq'), '');
    assert.equal(await docker('volume', 'ls', '-q'), '');
    assert.equal(await docker('network', 'ls', '-q', '--filter', 'type=custom'), '');
    await assertUnchanged(host, clean);
  });

  test('and its library, python3-docker, drive networks and containers', async () => {
    const { daemon, host } = engine;
    const script = `
import docker
client = docker.from_env()
assert client.ping() and client.version()['Version']
net = client.networks.create('pynet', driver='bridge', ipam=docker.types.IPAMConfig(
    pool_configs=[docker.types.IPAMPool(subnet='10.41.0.0/24', gateway='10.41.0.1')]))
web = client.containers.run('busybox', ['httpd', '-f', '-h', '/etc'], detach=True, name='pyweb', network='pynet', ports={'80/tcp': None})
web.reload()
assert web.attrs['NetworkSettings']['Networks']['pynet']['IPAddress'] == '10.41.0.2', web.attrs
assert int(web.ports['80/tcp'][0]['HostPort']) > 0
out = client.containers.run('busybox', ['ping', '-c', '1', '-W', '5', 'pyweb'], remove=True, network='pynet')
assert b'1 packets received' in out, out
code, output = web.exec_run(['cat', '/etc/hostname'])
assert (code, output.decode().strip()) == (0, web.id[:12]), (code, output)
assert web.exec_run('sh -c "echo out; echo err >&2; exit 4"', demux=True) == (4, (b'out\\n', b'err\\n'))
try:
    client.containers.run('busybox', ['sh', '-c', 'echo wrong >&2; exit 3'], remove=True)
    raise SystemExit('no error')
except docker.errors.ContainerError as error:
    assert error.exit_status == 3 and b'wrong' in error.stderr, error
try:
    client.networks.get('nosuch')
    raise SystemExit('no error')
except docker.errors.NotFound:
    pass
other = client.networks.create('pyother')
other.connect(web, aliases=['www'])
assert b'1 packets received' in client.containers.run('busybox', ['ping', '-c', '1', '-W', '5', 'www'], remove=True, network='pyother')
other.disconnect(web)
web.remove(force=True)
other.remove()
net.remove()
print('done')
`;
    const said = await ok(['/usr/bin/python3', '-'], {
      input: script,
      env: { DOCKER_HOST: `unix://${daemon.socket}` },
    });
    assert.equal(said, 'done');
    await assertUnchanged(host, clean);
  });
});
