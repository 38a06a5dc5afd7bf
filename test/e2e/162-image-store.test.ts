import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
  load,
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

function inFolder(name: string): string {
  return join(engine.host.directory, name);
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

async function idOf(name: string): Promise<string> {
  return engine.docker('image', 'inspect', '-f', '{{.Id}}', name);
}

describe('an image', () => {
  test('loses its names one by one and goes with the last, by name, by id, and by force', async () => {
    const { docker } = engine;
    for (const client of commandLines(engine)) {
      await load(engine, { name: 'one:1', files: { '/one': 'one' } });
      const id = await idOf('one:1');
      const short = id.slice('sha256:'.length, 'sha256:'.length + 12);
      await docker('tag', 'one:1', 'one:2');
      await docker('tag', 'one:1', 'two:1');
      const refused = await client.run(['rmi', short]);
      assert.equal(refused.code, 1, client.name);
      assert.match(
        refused.stderr,
        new RegExp(
          `conflict: unable to delete ${short} \\(must be forced\\) - image is referenced in multiple repositories`,
        ),
        client.name,
      );
      assert.equal(await client('rmi', 'one:1'), 'Untagged: one:1', client.name);
      assert.equal(await client('rmi', '--no-prune', 'two:1'), 'Untagged: two:1', client.name);
      const gone = lines(await client('rmi', short.slice(0, 6)));
      assert.deepEqual(gone.slice(0, 2), ['Untagged: one:2', `Deleted: ${id}`], client.name);
      assert.match(gone[2] ?? '', /^Deleted: sha256:[0-9a-f]{64}$/, client.name);

      await load(engine, { name: 'one:1', files: { '/one': 'one' } });
      await docker('tag', 'one:1', 'two:1');
      const forced = lines(await client('rmi', '-f', id));
      assert.deepEqual(forced.slice(0, 3), ['Untagged: one:1', 'Untagged: two:1', `Deleted: ${id}`], client.name);
      const missing = await client.run(['rmi', 'one:1']);
      assert.match(missing.stderr, /No such image: one:1/, client.name);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('stays while a container runs on it, and loses only its name to force', async () => {
    const { docker } = engine;
    await load(engine, { name: 'used:1', files: { '/used': 'used' } });
    const short = (await idOf('used:1')).slice(7, 19);
    await docker('run', '-d', '--init', '--name', 'user', '--network', 'none', 'used:1', 'sleep', '600');
    for (const client of commandLines(engine)) {
      for (const args of [
        ['rmi', short],
        ['rmi', '-f', short],
      ]) {
        const { code, stderr } = await client.run(args);
        assert.equal(code, 1, client.name);
        assert.match(
          stderr,
          new RegExp(
            `conflict: unable to delete ${short} \\(cannot be forced\\) - image is being used by running container [0-9a-f]{12}`,
          ),
          client.name,
        );
      }
    }
    assert.equal(await docker('rmi', '-f', 'used:1'), 'Untagged: used:1');
    assert.equal(await docker('images', '-q', '-f', 'dangling=true'), short);
    assert.equal(await docker('image', 'prune', '-f'), 'Total reclaimed space: 0B');
    assert.equal(await docker('exec', 'user', 'cat', '/used'), 'used');
    await docker('rm', '-f', 'user');
    assert.match(await docker('image', 'prune', '-f'), new RegExp(`deleted: sha256:${short}`));
    await assertUnchanged(engine.host, clean);
  });

  test('is found by every filter, and pruned by those that prune has', async () => {
    const { docker } = engine;
    await load(engine, { name: 'red:1', files: { '/x': 'red' }, config: { Labels: { color: 'red', kind: 'paint' } } });
    await load(engine, { name: 'blue:1', files: { '/x': 'blue' }, config: { Labels: { color: 'blue' } } });
    await docker(
      'commit',
      '-m',
      'later',
      await docker('create', '--name', 'source', '--network', 'none', 'red:1'),
      'later:1',
    );
    await docker('rm', 'source');
    await load(engine, { name: 'bare:1', files: { '/x': 'bare' } });
    await load(engine, { name: 'bare:1', files: { '/x': 'bare again' } });
    const bare = await docker('images', '-q', '--no-trunc', '-f', 'dangling=true');
    for (const client of commandLines(engine)) {
      const found = async (...filters: string[]): Promise<string[]> => {
        const flags = filters.flatMap((filter) => ['-f', filter]);
        return lines(await client('images', '--format', '{{.Repository}}:{{.Tag}}', ...flags)).sort();
      };
      assert.deepEqual(await found('label=color'), ['blue:1', 'later:1', 'red:1'], client.name);
      assert.deepEqual(await found('label=color=red', 'label=kind'), ['later:1', 'red:1'], client.name);
      assert.deepEqual(await found('dangling=true'), ['<none>:<none>'], client.name);
      assert.deepEqual(await found('reference=b*:1'), ['bare:1', 'blue:1'], client.name);
      assert.deepEqual(await found('reference=blue', 'reference=later'), ['blue:1', 'later:1'], client.name);
      assert.deepEqual(await found('since=red:1'), ['later:1'], client.name);
      assert.deepEqual(await found('before=later:1', 'reference=red'), ['red:1'], client.name);
      assert.deepEqual(await found('until=2024-06-01', 'label=color'), ['blue:1', 'red:1'], client.name);
      const wrong = await client.run(['images', '-f', 'nonsense=1']);
      assert.match(wrong.stderr, /invalid filter 'nonsense'/, client.name);
    }
    assert.match(await docker('image', 'prune', '-f'), new RegExp(`deleted: ${bare}`));
    const pruned = await docker('image', 'prune', '-af', '--filter', 'label=color=red', '--filter', 'until=2024-06-01');
    assert.match(pruned, /untagged: red:1\n/);
    assert.doesNotMatch(pruned, /later|blue|busybox/);
    await docker(
      'image',
      'prune',
      '-af',
      '--filter',
      'label!=color',
      '--filter',
      'label!=kind',
      '--filter',
      'until=2000-01-01',
    );
    assert.equal(lines(await docker('images', '-q')).length, 4);
    await docker('rmi', 'blue:1', 'later:1', 'bare:1');
    await assertUnchanged(engine.host, clean);
  });

  test('tells its whole history, with the message of who imported it', async () => {
    const { docker } = engine;
    await docker('create', '--name', 'source', '--network', 'none', 'busybox');
    await docker('export', '-o', inFolder('tree.tar'), 'source');
    await docker('rm', 'source');
    for (const client of commandLines(engine)) {
      const changes = ['-c', 'ENV A=b', '-c', 'LABEL x=y z="a b"', '-c', 'ENTRYPOINT ["echo"]', '-c', 'EXPOSE 80'];
      await client('import', '-m', 'brought by hand', ...changes, inFolder('tree.tar'), 'flat:1');
      const config = JSON.parse(await docker('image', 'inspect', '-f', '{{json .Config}}', 'flat:1'));
      assert.deepEqual(config.Env, ['A=b'], client.name);
      assert.deepEqual(config.Labels, { x: 'y', z: 'a b' }, client.name);
      assert.deepEqual(config.ExposedPorts, { '80/tcp': {} }, client.name);
      assert.equal(await client('run', '--rm', '--network', 'none', 'flat:1', 'hello'), 'hello', client.name);
      const history = lines(await client('history', '--format', '{{.Comment}} {{.Size}}', 'flat:1'));
      assert.match(history.join('\n'), /^brought by hand \d.*MB$/, client.name);
      const bad = await client.run(['import', '-c', 'RUN true', inFolder('tree.tar'), 'flat:2']);
      assert.match(bad.stderr, /run is not a valid change command/i, client.name);
      await client('rmi', 'flat:1');
    }
    await assertUnchanged(engine.host, clean);
  });

  test('is of one platform, and refused where another is asked for', async () => {
    const { docker, fairway } = engine;
    const wrong =
      /image with reference busybox was found but its platform \(linux\/amd64\) does not match the specified platform \(linux\/arm64\)/;
    await docker('save', '-o', inFolder('box.tar'), 'busybox');
    for (const client of [docker, fairway]) {
      for (const command of [
        ['save', '-o', inFolder('none.tar')],
        ['image', 'inspect'],
      ]) {
        const { code, stderr } = await client.run([...command, '--platform', 'linux/arm64', 'busybox']);
        assert.equal(code, 1, client.name);
        assert.match(stderr, wrong, client.name);
      }
      const unwanted = await client.run(['load', '--platform', 'linux/arm64', '-i', inFolder('box.tar')]);
      assert.match(unwanted.stderr, /requested platform \(linux\/arm64\) not found: image might be filtered out/);
      await client('save', '--platform', 'linux/amd64', '-o', inFolder('same.tar'), 'busybox');
      const same = await client('load', '--platform', 'linux/amd64', '-i', inFolder('same.tar'));
      assert.equal(same.trim(), 'Loaded image: busybox:latest', client.name);
      const created = await client.run(['create', '--pull', 'never', '--platform', 'linux/arm64', 'busybox']);
      assert.match(created.stderr, wrong, client.name);
    }
    for (const args of [['history'], ['rmi']]) {
      const { code, stderr } = await docker.run([...args, '--platform', 'linux/arm64', 'busybox']);
      assert.equal(code, 1, args.join(' '));
      assert.match(stderr, wrong, args.join(' '));
    }
    await assertUnchanged(engine.host, clean);
  });
});

describe('an archive', () => {
  test('holds several images under all of their names', async () => {
    const { docker } = engine;
    await load(engine, { name: 'left:1', files: { '/x': 'left' } });
    await load(engine, { name: 'right:1', files: { '/x': 'right' } });
    await docker('tag', 'left:1', 'left:2');
    const ids = [await idOf('left:1'), await idOf('right:1')];
    for (const client of commandLines(engine)) {
      await client('save', '-o', inFolder('both.tar'), 'left', ids[1] ?? '');
      await client('rmi', 'left:1', 'left:2', 'right:1');
      assert.deepEqual(
        lines(await client('load', '-q', '-i', inFolder('both.tar'))).sort(),
        ['Loaded image: left:1', 'Loaded image: left:2', `Loaded image ID: ${ids[1]}`].sort(),
        client.name,
      );
      await client('tag', ids[1] ?? '', 'right:1');
      assert.deepEqual([await idOf('left:2'), await idOf('right:1')], ids, client.name);
    }
    await docker('rmi', 'left:1', 'left:2', 'right:1');
    await assertUnchanged(engine.host, clean);
  });

  test('that is none is refused by all clients', async () => {
    writeFileSync(inFolder('noise.tar'), Buffer.alloc(5000, 'x'));
    writeFileSync(inFolder('empty.tar'), '');
    for (const client of commandLines(engine)) {
      for (const name of ['noise.tar', 'empty.tar']) {
        const { code, stderr } = await client.run(['load', '-i', inFolder(name)]);
        assert.equal(code, 1, client.name);
        assert.match(stderr, /cannot load archive/, client.name);
      }
    }
    await assertUnchanged(engine.host, clean);
  });
});

describe('build', () => {
  test('is refused with what to do instead', async () => {
    const { docker, docker20 } = engine;
    // 28 has its builder for BuildKit in a plugin, which may be missing; 20 has it inside.
    for (const [client, buildKit] of [
      [docker, '0'],
      [docker20, '0'],
      [docker20, '1'],
    ] as const) {
      const env = { DOCKER_BUILDKIT: buildKit };
      const { code, stderr } = await client.run(['build', '-'], { input: 'FROM busybox\n', env });
      assert.notEqual(code, 0, client.name);
      assert.match(stderr, /build elsewhere \(docker buildx, buildah\), then bring the image here with "docker load"/);
    }
    await assertUnchanged(engine.host, clean);
  });
});
