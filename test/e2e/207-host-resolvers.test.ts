import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';

const FIRST = '10.99.0.254';
const SECOND = '10.99.0.253';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
  const { docker } = engine;
  await docker('network', 'create', 'net');
  await docker('network', 'create', '--internal', 'closed');
  for (const [name, network] of Object.entries({
    bridged: 'bridge',
    edited: 'bridge',
    asker: 'net',
    inside: 'closed',
  })) {
    await docker('run', '-d', '--name', name, '--network', network, 'busybox', 'sleep', '600');
  }
  await docker('exec', 'edited', 'sh', '-c', 'echo nameserver 192.0.2.53 > /etc/resolv.conf');
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

async function nameTo(...servers: string[]): Promise<void> {
  const text = servers.map((server) => `nameserver ${server}\n`).join('');
  await engine.host.run(['sh', '-c', 'cat > /etc/resolv.conf'], { input: Buffer.from(`${text}search lan.test\n`) });
}

const lookUp = async (container: string, name: string): Promise<string> =>
  (await engine.docker.run(['exec', container, 'nslookup', '-type=a', name])).stdout;

const fileIn = (container: string): Promise<string> => engine.docker('exec', container, 'cat', '/etc/resolv.conf');

describe('when the resolver of the host changes', () => {
  test('the next question goes to the new one, though the old one’s answer could still be remembered', async () => {
    const { lan } = engine;
    await using _second = await lan.resolver(SECOND);
    assert.match(await lookUp('asker', 'one.lan.test'), /Address: 10\.99\.0\.254/);
    await nameTo(SECOND);
    await eventually(async () => assert.match(await lookUp('asker', 'one.lan.test'), /Address: 10\.99\.0\.253/));
    await nameTo(FIRST);
    await eventually(async () => assert.match(await lookUp('asker', 'one.lan.test'), /Address: 10\.99\.0\.254/));
  });

  test('what others have asked stays unknown inside an internal network', async () => {
    assert.match(await lookUp('asker', 'secret.lan.test'), /Address: 10\.99\.0\.254/);
    assert.match(await lookUp('asker', 'secret.lan.test'), /Address: 10\.99\.0\.254/);
    assert.doesNotMatch(await lookUp('inside', 'secret.lan.test'), /10\.99\.0\.254/);
    assert.match(await lookUp('inside', 'secret.lan.test'), /NXDOMAIN/);
  });

  test('the file of a container on the default network follows while it runs, unless it was edited', async () => {
    assert.match(await fileIn('bridged'), /^nameserver 10\.99\.0\.254$/m);
    await nameTo(SECOND, FIRST);
    await eventually(async () =>
      assert.match(await fileIn('bridged'), /^nameserver 10\.99\.0\.253\nnameserver 10\.99\.0\.254$/m),
    );
    assert.equal(await fileIn('edited'), 'nameserver 192.0.2.53');
    // With the embedded resolver only the search list is the host's.
    assert.equal(await fileIn('asker'), 'nameserver 127.0.0.11\nsearch lan.test\noptions ndots:0');
  });

  test('the file follows what changed while no daemon was there', async () => {
    const { daemon } = engine;
    await daemon.killHard();
    await nameTo(FIRST);
    await daemon.start();
    assert.match(await fileIn('bridged'), /^nameserver 10\.99\.0\.254\nsearch lan\.test$/m);
    assert.equal(await fileIn('edited'), 'nameserver 192.0.2.53');
  });
});

describe('names of ours', () => {
  test('with one label are answered without the search list, and others are completed by it', async () => {
    const { docker } = engine;
    await nameTo(FIRST);
    await docker(
      'run',
      '-d',
      '--name',
      'finder',
      '--network',
      'net',
      '--dns-search',
      'lan.test',
      'busybox',
      'sleep',
      '600',
    );
    assert.match(await fileIn('finder'), /options ndots:0/);
    // Only the search list makes `bare` a name of the LAN, and `asker` is nobody's there.
    const ping = (name: string) => docker.run(['exec', 'finder', 'ping', '-c', '1', '-w', '5', name]);
    assert.match((await ping('asker')).stdout, /PING asker \(172\.\d+\.0\.2\)/);
    assert.match((await ping('asker.net')).stdout, /PING asker\.net \(172\.\d+\.0\.2\)/);
    assert.match((await ping('bare')).stdout, /PING bare \(10\.99\.0\.254\)/);
    await docker('rm', '-f', 'finder');
  });

  test('leave nothing', async () => {
    const { docker, host } = engine;
    await docker('rm', '-f', 'bridged', 'edited', 'asker', 'inside');
    await docker('network', 'rm', 'net', 'closed');
    await nameTo(FIRST);
    await assertUnchanged(host, clean);
  });
});
