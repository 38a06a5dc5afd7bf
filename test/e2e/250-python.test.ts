import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, ok, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

describe("python3-docker, Debian's library", () => {
  test('drives networks and containers', async () => {
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
