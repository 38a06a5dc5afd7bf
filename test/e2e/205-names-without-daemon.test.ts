import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  NameProbe,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

const NAMES = ['server', 'server.net', '*.lan.test', 'nobody'];
const ANSWERS = {
  server: '0 172.18.0.2',
  'server.net': '0 172.18.0.2',
  '*.lan.test': '0 10.99.0.254',
  nobody: '3',
};

let engine: Engine;
let clean: Snapshot;
let asker: string;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
  const { docker } = engine;
  await docker('network', 'create', 'net');
  for (const name of ['server', 'asker']) {
    await docker('run', '-d', '--name', name, '--network', 'net', 'busybox', 'sleep', '600');
  }
  asker = await docker('inspect', '-f', '{{.State.Pid}}', 'asker');
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** The resolver's processes, a predecessor that has not ended yet included. */
function resolvers(): number[] {
  return engine.host
    .processes()
    .map(({ pid }) => pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('dns/serving/main');
      } catch {
        // It ended while we looked.
        return false;
      }
    });
}

async function lookUp(name: string): Promise<string> {
  return engine.host.ok([
    'nsenter',
    `--net=/proc/${asker}/ns/net`,
    'sh',
    '-c',
    `busybox nslookup -type=a ${name} 127.0.0.11 || true`,
  ]);
}

describe('names, asked every 10 ms', () => {
  const disturbances: Readonly<Record<string, () => Promise<void>>> = {
    'a stop of the daemon and a start': async () => {
      await engine.daemon.stop();
      await engine.daemon.start();
    },
    'kill -9 of the daemon and a start': async () => {
      await engine.daemon.killHard();
      await engine.daemon.start();
    },
    'kill -9 of the resolver': async () => {
      const [pid = 0] = resolvers();
      process.kill(pid, 'SIGKILL');
      await eventually(() => assert.ok(!resolvers().includes(pid) && resolvers().length === 1));
      await engine.docker('run', '--rm', '--network', 'net', 'busybox', 'true');
    },
    'kill -9 of the daemon half-way through its start': async () => {
      await engine.daemon.killHard();
      const former = resolvers();
      const starting = engine.daemon.start();
      // It has the sockets, and may have told its resolver some of it.
      await eventually(() => assert.ok(resolvers().some((pid) => !former.includes(pid))));
      await engine.daemon.killHard();
      await starting.catch(() => {});
      await engine.daemon.start();
    },
  };
  for (const [what, disturb] of Object.entries(disturbances)) {
    test(`are all answered, and rightly, over ${what}`, async (t) => {
      await using probe = await NameProbe.start(asker, NAMES);
      await disturb();
      const seen = await probe.stop();
      t.diagnostic(`${seen.asked} asked, the longest wait ${seen.longest.toFixed(0)} ms`);
      assert.deepEqual(seen.unanswered, []);
      for (const [name, answer] of Object.entries(ANSWERS)) {
        assert.deepEqual(Object.keys(seen.answers[name] ?? {}), [answer], name);
      }
      await eventually(() => assert.equal(resolvers().length, 1));
    });
  }
});

describe('while no daemon lives', () => {
  test('names are answered, and the host’s resolver is followed when it changes', async () => {
    const { daemon, host, lan } = engine;
    await daemon.killHard();
    assert.match(await lookUp('server'), /172\.18\.0\.2/);
    assert.match(await lookUp('one.lan.test'), /10\.99\.0\.254/);
    await host.ok(['sh', '-c', 'echo nameserver 10.99.0.253 > /etc/resolv.conf']);
    await using other = await lan.resolver('10.99.0.253');
    await eventually(async () =>
      assert.match(await lookUp('one.lan.test'), new RegExp(other.address.replaceAll('.', '\\.'))),
    );
    await host.ok(['sh', '-c', 'echo nameserver 10.99.0.254 > /etc/resolv.conf']);
    await eventually(async () => assert.match(await lookUp('one.lan.test'), /10\.99\.0\.254/));
    await daemon.start();
    assert.match(await lookUp('server'), /172\.18\.0\.2/);
  });
});

describe('a resolver that hangs', () => {
  test('is ended by the next daemon, which serves in its place', async () => {
    const { daemon } = engine;
    const [hanging = 0] = resolvers();
    process.kill(hanging, 'SIGSTOP');
    await daemon.killHard();
    await daemon.start();
    // Clients are served meanwhile.
    await eventually(() => {
      assert.ok(!resolvers().includes(hanging));
      assert.equal(resolvers().length, 1);
    });
    assert.match(await lookUp('server'), /172\.18\.0\.2/);
    await using probe = await NameProbe.start(asker, NAMES);
    assert.deepEqual((await probe.stop()).unanswered, []);
  });
});

describe('afterwards', () => {
  test('the resolver of a host without containers ends with its daemon', async () => {
    const { docker, daemon, host } = engine;
    await docker('rm', '-f', 'server', 'asker');
    await docker('network', 'rm', 'net');
    await assertUnchanged(host, clean);
    await daemon.stop();
    await eventually(() => assert.deepEqual(resolvers(), []));
    await daemon.start();
    await assertUnchanged(host, clean);
  });
});
