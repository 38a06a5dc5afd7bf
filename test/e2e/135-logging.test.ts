import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
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

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** Where the log of a container is, seen from here. */
async function logPath(name: string): Promise<string> {
  const path = await engine.docker('inspect', '-f', '{{.LogPath}}', name);
  return path.replace('/var/lib/', `${engine.host.directory}/lib/`);
}

describe('logging', () => {
  for (const driver of ['json-file', 'local'] as const) {
    test(`${driver} keeps what was chosen of the container, and zips what it rotates`, async () => {
      const { docker, host } = engine;
      const options = ['max-size=20k', 'max-file=3', 'compress=true', 'labels=tier', 'env-regex=^APP', 'tag={{.Name}}'];
      await docker(
        'run',
        ...['-d', '--name', 'chatty', '--log-driver', driver, ...options.flatMap((option) => ['--log-opt', option])],
        ...['--label', 'tier=front', '--label', 'other=x', '-e', 'APP_MODE=a b', '-e', 'NO=1', 'busybox'],
        ...[
          'sh',
          '-c',
          'for i in $(seq 1 500); do echo line $i of a log that is rotated; done; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo oops >&2',
        ],
      );
      // One pipe after the other, so that nothing of the other stream is rotated away.
      await eventually(async () => assert.match(await docker('logs', '--tail', '1', 'chatty'), /line 500/));
      await docker('exec', '-d', 'chatty', 'touch', '/tmp/go');
      assert.equal(await docker('wait', 'chatty'), '0');
      const path = await logPath('chatty');
      await eventually(() => {
        const names = readdirSync(dirname(path)).filter((name) => /log(\.\d.*)?$/.test(name));
        assert.deepEqual(names.filter((name) => name.endsWith('.gz')).length, 2, names.join());
        assert.equal(names.length, 3, names.join());
      });
      const { stdout: text } = await docker.run(['logs', 'chatty']);
      const lines = text.trim().split('\n');
      const first = Number(/\d+/.exec(lines[0] ?? '')?.[0]);
      assert.ok(first > 1 && first < 400, `begins with ${first}`);
      assert.deepEqual(
        lines,
        Array.from({ length: 501 - first }, (_, index) => `line ${first + index} of a log that is rotated`),
      );
      const detailed = await docker.run(['logs', '--details', 'chatty']);
      const details = 'APP_MODE=a+b,tag=chatty,tier=front';
      assert.equal(detailed.stdout, lines.map((line) => `${details} ${line}\n`).join(''));
      assert.equal(detailed.stderr, `${details} oops\n`);
      assert.equal(await docker('logs', '-t', '--details', '--tail', '0', 'chatty'), '');
      await docker('rm', 'chatty');
      await assertUnchanged(host, clean);
    });
  }

  test('an entry is what Docker writes', async () => {
    const { docker } = engine;
    await docker('run', '--name', 'said', '--log-opt', 'env=A', '-e', 'A=1', 'busybox', 'printf', '"<x>"\\tö\\n\\377');
    const entries = readFileSync(await logPath('said'), 'utf8').replaceAll(/"time":"[^"]+"/g, '"time":""');
    assert.equal(
      entries,
      String.raw`{"log":"\"\u003cx\u003e\"\tö\n","stream":"stdout","attrs":{"A":"1"},"time":""}
{"log":"\ufffd","stream":"stdout","attrs":{"A":"1"},"time":""}
`,
    );
    await docker('rm', 'said');
  });

  test('options that nobody knows or that contradict each other are refused, and nothing is made', async () => {
    const { docker, host } = engine;
    const refused: readonly (readonly [readonly string[], string])[] = [
      [['nope=1'], "unknown log opt 'nope' for json-file log driver"],
      [['compress=true'], 'compress cannot be true when max-file is less than 2 or max-size is not set'],
      [['max-size=huge'], "invalid size: 'huge'"],
      [['max-file=0'], 'max-file cannot be less than 1'],
      [['mode=fast'], 'logger: logging mode not supported: fast'],
    ];
    for (const [options, text] of refused) {
      const given = options.flatMap((option) => ['--log-opt', option]);
      const { code, stderr } = await docker.run(['create', ...given, 'busybox']);
      assert.notEqual(code, 0);
      assert.ok(stderr.includes(text), stderr);
    }
    const { stderr } = await docker.run(['create', '--log-driver', 'local', '--log-opt', 'nope=1', 'busybox']);
    assert.match(stderr, /unknown log opt 'nope' for log driver local/);
    assert.equal(await docker('ps', '-aq'), '');
    await assertUnchanged(host, clean);
  });

  test('none keeps nothing and says so, and attached clients see everything', async () => {
    const { docker, daemon, host } = engine;
    const seen = await docker.run(['run', '--name', 'mute', '--log-driver', 'none', 'busybox', 'echo', 'hello']);
    assert.equal(seen.stdout, 'hello\n');
    const { code, stderr } = await docker.run(['logs', 'mute']);
    assert.notEqual(code, 0);
    assert.match(stderr, /configured logging driver does not support reading/);
    assert.equal((await new RawApi(daemon.socket).call('GET', '/containers/mute/logs?stdout=1')).status, 501);
    await docker('rm', 'mute');
    await assertUnchanged(host, clean);
  });

  test('attach can show the log alone, and the log before what comes', async () => {
    const { docker, daemon, host } = engine;
    const api = new RawApi(daemon.socket);
    await docker(
      'run',
      '-dt',
      '--name',
      'box',
      'busybox',
      'sh',
      '-c',
      'echo early; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo late',
    );
    await eventually(async () => assert.equal((await docker('logs', 'box')).trim(), 'early'));
    const attach = (query: string) => api.hijack(`/containers/box/attach?stdout=1&${query}`);
    const textOf = async ({ socket, head }: Awaited<ReturnType<typeof attach>>): Promise<string> => {
      const chunks: Buffer[] = [head];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString();
    };
    assert.equal(await textOf(await attach('logs=1&stream=0')), 'early\r\n');
    const both = textOf(await attach('logs=1&stream=1'));
    const live = textOf(await attach('logs=0&stream=1'));
    await docker('exec', '-d', 'box', 'touch', '/tmp/go');
    assert.equal(await both, 'early\r\nlate\r\n');
    assert.equal(await live, 'late\r\n');
    assert.equal(await docker('wait', 'box'), '0');
    await docker('rm', 'box');
    await assertUnchanged(host, clean);
  });
});
