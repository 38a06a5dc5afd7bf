import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
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
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** The next whole second but one: clients cut a relative time down to whole seconds, and what just happened would be missing. */
function soon(): string {
  return String(Math.floor(Date.now() / 1000) + 1);
}

describe('containers', () => {
  test('get the environment, directory, user, hostname, labels and mounts that were asked for', async () => {
    const { host } = engine;
    const shared = join(host.directory, 'shared');
    mkdirSync(shared);
    writeFileSync(join(shared, 'note'), 'from the host\n');
    for (const client of commandLines(engine)) {
      const script = 'echo $A; pwd; id -u; hostname; cat /data/note; touch /data/x 2>&1; echo $0 $1';
      const seen = await client.run([
        'run',
        '--rm',
        '-e',
        'A=b c',
        '-w',
        '/var/www',
        '-u',
        '65534',
        '-h',
        'named',
        '-l',
        'k=v',
        '-v',
        `${shared}:/data:ro`,
        '--entrypoint',
        'sh',
        'busybox',
        '-c',
        script,
        'zero',
        'one',
      ]);
      assert.equal(
        seen.stdout,
        'b c\n/var/www\n65534\nnamed\nfrom the host\ntouch: /data/x: Read-only file system\nzero one\n',
        client.name + seen.stderr,
      );
    }
    await assertUnchanged(host, clean);
  });

  test('have the files that name resolution needs', async () => {
    const { docker } = engine;
    await docker('network', 'create', 'net');
    const own = await docker(
      'run',
      '--rm',
      '--network',
      'net',
      '-h',
      'me',
      '--add-host',
      'db:10.1.2.3',
      '--dns-search',
      'corp.test',
      'busybox',
      'cat',
      '/etc/hosts',
      '/etc/resolv.conf',
      '/etc/hostname',
    );
    assert.match(own, /127\.0\.0\.1\tlocalhost/);
    assert.match(own, /10\.1\.2\.3\tdb/);
    assert.match(own, /172\.18\.0\.2\tme/);
    assert.match(own, /nameserver 127\.0\.0\.11/);
    assert.match(own, /search corp\.test/);
    assert.match(own, /options .*ndots:0/);
    assert.match(own, /^me$/m);
    const standard = await docker('run', '--rm', 'busybox', 'cat', '/etc/resolv.conf');
    assert.match(standard, /nameserver 10\.99\.0\.254/);
    await docker('network', 'rm', 'net');
    await assertUnchanged(engine.host, clean);
  });

  test('share a network namespace with container:, and have none or the host’s with those modes', async () => {
    const { docker, host } = engine;
    await docker('run', '-d', '--name', 'first', 'busybox', 'httpd', '-f', '-h', '/etc');
    assert.match(
      await docker('run', '--rm', '--network', 'container:first', 'busybox', 'wget', '-qO-', 'http://127.0.0.1/group'),
      /root/,
    );
    assert.equal(await docker('run', '--rm', '--network', 'none', 'busybox', 'sh', '-c', 'ls /sys/class/net'), 'lo');
    assert.match(
      await docker('run', '--rm', '--network', 'host', 'busybox', 'ip', 'addr'),
      new RegExp(host.address.replaceAll('.', '\\.')),
    );
    const conflict = await docker.run([
      'run',
      '--rm',
      '--network',
      'container:first',
      '-p',
      '80:80',
      'busybox',
      'true',
    ]);
    assert.equal(conflict.code, 125);
    assert.match(conflict.stderr, /conflicting options: port publishing and the container type network mode/);
    await docker('rm', '-f', 'first');
    await assertUnchanged(host, clean);
  });

  test('stop by their signal, are killed after the time-out, restart and are waited for', async () => {
    const { docker } = engine;
    await docker(
      'run',
      '-d',
      '--name',
      'polite',
      'busybox',
      'sh',
      '-c',
      'trap "exit 3" TERM; while true; do sleep 0.1; done',
    );
    await docker('stop', 'polite');
    assert.equal(await docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'polite'), 'exited 3');
    await docker('start', 'polite');
    const waiting = docker('wait', 'polite');
    await docker('kill', '-s', 'KILL', 'polite');
    assert.equal(await waiting, '137');
    await docker('restart', '-t', '1', 'polite');
    assert.equal(await docker('inspect', '-f', '{{.State.Running}}', 'polite'), 'true');
    await docker('run', '-d', '--name', 'deaf', 'busybox', 'sh', '-c', 'trap "" TERM; while true; do sleep 0.1; done');
    await docker('stop', '-t', '1', 'deaf');
    assert.equal(await docker('inspect', '-f', '{{.State.ExitCode}}', 'deaf'), '137');
    await docker('rm', '-f', 'polite', 'deaf');
    await assertUnchanged(engine.host, clean);
  });

  test('are listed by state, name, label, network and size of the table', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'up', '-l', 'tier=web', 'busybox', 'sleep', '600');
    await docker('run', '--name', 'done', 'busybox', 'true');
    for (const client of commandLines(engine)) {
      assert.equal(await client('ps', '--format', '{{.Names}}'), 'up', client.name);
      assert.equal(await client('ps', '-a', '--format', '{{.Names}}'), 'done\nup', client.name);
      assert.equal(
        await client('ps', '-a', '--filter', 'status=exited', '--format', '{{.Names}} {{.State}}'),
        'done exited',
        client.name,
      );
      assert.equal(
        await client('ps', '--filter', 'label=tier=web', '--format', '{{.Names}} {{.Networks}}'),
        'up bridge',
        client.name,
      );
      assert.equal(
        await client('ps', '-a', '--filter', 'name=don', '-q', '--no-trunc'),
        await client('inspect', '-f', '{{.Id}}', 'done'),
        client.name,
      );
      assert.match(
        await client('ps', '-a'),
        /CONTAINER ID\s+IMAGE\s+COMMAND\s+CREATED\s+STATUS\s+PORTS\s+NAMES/,
        client.name,
      );
    }
    await docker('rm', '-f', 'up', 'done');
    await assertUnchanged(engine.host, clean);
  });

  test('tell what happens to them as events', async () => {
    const { docker } = engine;
    await docker('network', 'create', 'told');
    await docker('run', '--name', 'brief', '--network', 'told', 'busybox', 'true');
    await docker('rm', 'brief');
    await docker('network', 'rm', 'told');
    for (const client of commandLines(engine)) {
      const events = await client(
        'events',
        '--since',
        '10m',
        '--until',
        soon(),
        '--format',
        '{{.Type}} {{.Action}}',
        '--filter',
        'type=container',
        '--filter',
        'container=brief',
      );
      assert.deepEqual(
        events.split('\n'),
        ['container create', 'container attach', 'container start', 'container die', 'container destroy'],
        client.name,
      );
      const network = await client(
        'events',
        '--since',
        '10m',
        '--until',
        soon(),
        '--format',
        '{{.Action}}',
        '--filter',
        'network=told',
      );
      assert.deepEqual(network.split('\n'), ['create', 'connect', 'disconnect', 'destroy'], client.name);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('join by a shared volume: a file, a named pipe and a unix socket', async () => {
    const { docker } = engine;
    await docker('volume', 'create', 'shared');
    await docker(
      'run',
      '-d',
      '--name',
      'one',
      '-v',
      'shared:/data',
      'busybox',
      'sh',
      '-c',
      'echo file >/data/file; mkfifo /data/pipe; cat /data/pipe >/data/got; sleep 600',
    );
    await eventually(() => docker('exec', 'one', 'test', '-p', '/data/pipe'));
    assert.equal(
      await docker(
        'run',
        '--rm',
        '--volumes-from',
        'one',
        'busybox',
        'sh',
        '-c',
        'echo through >/data/pipe; cat /data/file',
      ),
      'file',
    );
    await eventually(async () => assert.equal(await docker('exec', 'one', 'cat', '/data/got'), 'through'));
    await docker('rm', '-f', 'one');
    await docker('volume', 'rm', 'shared');
    await assertUnchanged(engine.host, clean);
  });

  test('write logs that other programs can read', async () => {
    const { docker, host } = engine;
    await docker('run', '--name', 'logged', 'busybox', 'echo', 'hello');
    const path = await docker('inspect', '-f', '{{.LogPath}}', 'logged');
    const record = JSON.parse(readFileSync(path.replace('/var/lib/', `${host.directory}/lib/`), 'utf8')) as Record<
      string,
      string
    >;
    assert.equal(record.log, 'hello\n');
    assert.equal(record.stream, 'stdout');
    await docker('rm', 'logged');
  });
});
