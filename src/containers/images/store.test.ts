import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { humanSize, type ProgressMessage } from './archive/index.ts';
import { digestOf, MEDIA_TYPE } from './format/index.ts';
import { isDangling } from './lister.ts';
import type { ImageEvent } from './namer.ts';
import type { ImageUser } from './remover.ts';
import { ImageStore } from './store.ts';
import { dockerArchive, FakeEngine, streamOf, type TestImage, tarOf } from './testing/index.ts';

async function setUp() {
  const engine = new FakeEngine();
  const users = new Map<string, ImageUser[]>();
  const events: ImageEvent[] = [];
  const store = new ImageStore(
    { engine, usedBy: (id) => users.get(id) ?? [] },
    { platform: { os: 'linux', architecture: 'amd64' } },
  );
  store.events.on((event) => events.push(event));
  const load = async (...images: TestImage[]): Promise<{ ids: string[]; lines: string[] }> => {
    const lines: string[] = [];
    const ids = await store.load(streamOf(await dockerArchive(images)), {
      progress: ({ stream }) => stream !== undefined && lines.push(stream),
    });
    return { ids, lines };
  };
  const tags = async (): Promise<string[]> => (await store.list()).flatMap(({ image }) => image.repoTags).sort();
  return { engine, users, events, store, load, tags };
}

async function layer(text: string): Promise<Buffer> {
  return tarOf([{ name: 'file', data: text }]);
}

describe('loading images', () => {
  it('prints what docker load prints and gives every name', async () => {
    const { store, load, events, engine } = await setUp();
    const { ids, lines } = await load({ tags: ['app:1', 'me/app:2'], layers: [await layer('a')] });
    assert.deepEqual(lines, ['Loaded image: app:1\n', 'Loaded image: me/app:2\n']);
    const { image, size } = await store.inspect('app:1');
    assert.equal(image.id, ids[0]);
    assert.deepEqual(image.repoTags, ['app:1', 'me/app:2']);
    assert.equal(size, 1000);
    assert.deepEqual(
      events.map(({ action, name }) => `${action} ${name}`),
      ['load app:1', 'load me/app:2'],
    );
    assert.equal(engine.openLeases.size, 0);
  });

  it('keeps an image without a name, and one whose name is taken', async () => {
    const { store, load } = await setUp();
    const nameless = await load({ layers: [await layer('a')] });
    assert.deepEqual(nameless.lines, [`Loaded image ID: ${nameless.ids[0]}\n`]);
    const first = await load({ tags: ['app:latest'], layers: [await layer('b')] });
    const second = await load({ tags: ['app:latest'], layers: [await layer('c')] });
    assert.deepEqual(second.lines, [
      `The image app:latest already exists, renaming the old one with ID ${first.ids[0]} to empty string\n`,
      'Loaded image: app:latest\n',
    ]);
    assert.equal((await store.get('app')).id, second.ids[0]);
    const dangling = await store.list({ dangling: true });
    assert.deepEqual(dangling.map(({ image }) => image.id).sort(), [first.ids[0], nameless.ids[0]].sort());
  });

  it('shares the layers that images have in common', async () => {
    const { load, engine } = await setUp();
    const [base, top] = [await layer('base'), await layer('top')];
    await load({ tags: ['one:1'], layers: [base] }, { tags: ['two:1'], layers: [base, top] });
    assert.equal(engine.applied.length, 2);
  });

  it('changes nothing when an archive is damaged', async () => {
    const { store, engine } = await setUp();
    const archive = await dockerArchive([{ tags: ['app:1'], layers: [await layer('a')] }]);
    await assert.rejects(store.load(streamOf(archive.subarray(0, 3000))), { kind: 'invalid' });
    assert.equal(engine.names.size, 0);
    assert.equal(engine.openLeases.size, 0);
  });

  it('refuses a layer that is not what the configuration says', async () => {
    const { store, engine } = await setUp();
    const other = await layer('other');
    const archive = await dockerArchive([{ tags: ['app:1'], layers: [await layer('a')] }], () => other);
    await assert.rejects(store.load(streamOf(archive)), { code: 'layer_mismatch' });
    assert.equal(engine.names.size, 0);
    assert.equal(engine.trees.size, 0);
  });
});

describe('finding images', () => {
  it('takes names, ids and beginnings of ids', async () => {
    const { store, load } = await setUp();
    const { ids } = await load({ tags: ['app:1'], layers: [await layer('a')] });
    const id = ids[0] ?? '';
    const hex = id.slice('sha256:'.length);
    for (const ref of ['app:1', 'docker.io/library/app:1', id, hex, hex.slice(0, 12), `sha256:${hex.slice(0, 8)}`]) {
      assert.equal((await store.get(ref)).id, id, ref);
    }
  });

  it('says which image is missing in the words of Docker', async () => {
    const { store } = await setUp();
    const missing = `sha256:${'0'.repeat(64)}`;
    await assert.rejects(store.get('nope'), { kind: 'notFound', message: 'No such image: nope:latest' });
    await assert.rejects(store.get('abc123'), { message: 'No such image: abc123:latest' });
    await assert.rejects(store.get(missing), { message: `No such image: ${missing}` });
    await assert.rejects(store.get('a b'), { kind: 'invalid', message: 'invalid reference format' });
  });

  it('filters by reference, label, age and name', async () => {
    const { store, load } = await setUp();
    const make = async (name: string, year: number, labels: Record<string, string>): Promise<TestImage> => ({
      tags: [name],
      layers: [await layer(name)],
      created: `${year}-01-01T00:00:00Z`,
      config: { Labels: labels },
    });
    await load(
      await make('old:1', 2001, { tier: 'a' }),
      await make('mid:1', 2010, { tier: 'b' }),
      await make('me/new:1', 2020, {}),
    );
    const names = async (filters: Parameters<ImageStore['list']>[0]): Promise<string[]> =>
      (await store.list(filters)).flatMap(({ image }) => image.repoTags);
    assert.deepEqual(await names({}), ['me/new:1', 'mid:1', 'old:1']);
    assert.deepEqual(await names({ reference: ['m*'] }), ['mid:1']);
    assert.deepEqual(await names({ reference: ['me/*:1', 'old'] }), ['me/new:1', 'old:1']);
    assert.deepEqual(await names({ label: ['tier'] }), ['mid:1', 'old:1']);
    assert.deepEqual(await names({ label: ['tier=b'] }), ['mid:1']);
    assert.deepEqual(await names({ notLabel: ['tier'] }), ['me/new:1']);
    assert.deepEqual(await names({ before: ['mid:1'] }), ['old:1']);
    assert.deepEqual(await names({ since: ['mid:1'] }), ['me/new:1']);
    assert.deepEqual(await names({ until: Date.UTC(2005, 0) }), ['old:1']);
    assert.deepEqual(await names({ dangling: true }), []);
    await assert.rejects(names({ before: ['nope'] }), { message: 'No such image: nope:latest' });
  });

  it('tells how an image was made, newest step first', async () => {
    const { store, load } = await setUp();
    const { ids } = await load({ tags: ['app:1'], layers: [await layer('a'), await layer('b')] });
    const history = await store.history('app:1');
    assert.deepEqual(
      history.map(({ id, createdBy, size }) => ({ id, createdBy, size })),
      [
        { id: ids[0], createdBy: 'layer 1', size: 1000 },
        { id: '<missing>', createdBy: 'layer 0', size: 1000 },
      ],
    );
  });
});

describe('tagging images', () => {
  it('adds a name and takes it from whoever had it', async () => {
    const { store, load, tags, events } = await setUp();
    await load({ tags: ['one:1'], layers: [await layer('a')] }, { tags: ['two:1'], layers: [await layer('b')] });
    await store.tag('one:1', 'me/x');
    await store.tag('one:1', 'two', '1');
    assert.deepEqual(await tags(), ['me/x:latest', 'one:1', 'two:1']);
    assert.equal((await store.list({ dangling: true })).length, 1);
    assert.equal(events.at(-1)?.name, 'two:1');
    await store.tag((await store.list({ dangling: true }))[0]?.image.id ?? '', 'back:1');
    assert.equal((await store.list({ dangling: true })).length, 0);
    assert.equal(isDangling(await store.get('back:1')), false);
  });

  it('refuses names that are none', async () => {
    const { store, load } = await setUp();
    await load({ tags: ['one:1'], layers: [await layer('a')] });
    await assert.rejects(store.tag('one:1', 'Bad'), { kind: 'invalid' });
    await assert.rejects(store.tag('one:1', 'ok', 'b ad'), { kind: 'invalid', message: 'invalid reference format' });
    await assert.rejects(store.tag('one:1', `ok@sha256:${'a'.repeat(64)}`), { kind: 'invalid' });
    await assert.rejects(store.tag('nope', 'ok'), { kind: 'notFound' });
  });
});

describe('removing images', () => {
  it('takes one name of several, and the image with the last', async () => {
    const { store, load, events, engine } = await setUp();
    const { ids } = await load({ tags: ['app:1', 'app:2'], layers: [await layer('a')] });
    assert.deepEqual(await store.remove('app:1'), [{ Untagged: 'app:1' }]);
    const chain = (await store.get('app:2')).chainIds[0];
    assert.deepEqual(await store.remove('app:2'), [
      { Untagged: 'app:2' },
      { Deleted: ids[0] ?? '' },
      { Deleted: chain ?? '' },
    ]);
    assert.equal(engine.names.size, 0);
    assert.deepEqual(
      events.slice(-2).map(({ action }) => action),
      ['untag', 'delete'],
    );
  });

  it('keeps the layers of other images out of the answer', async () => {
    const { store, load } = await setUp();
    const base = await layer('base');
    await load({ tags: ['one:1'], layers: [base] }, { tags: ['two:1'], layers: [base, await layer('top')] });
    const deleted = (await store.remove('two:1')).filter((item) => 'Deleted' in item);
    assert.equal(deleted.length, 2);
  });

  it('by id asks for force when names lie in several repositories', async () => {
    const { store, load } = await setUp();
    const { ids } = await load({ tags: ['one:1', 'two:1'], layers: [await layer('a')] });
    const id = ids[0] ?? '';
    const short = id.slice(7, 19);
    await assert.rejects(store.remove(short), {
      kind: 'conflict',
      message: `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
    });
    const items = await store.remove(short, { force: true });
    assert.deepEqual(items.slice(0, 3), [{ Untagged: 'one:1' }, { Untagged: 'two:1' }, { Deleted: id }]);
  });

  it('minds containers, running and stopped', async () => {
    const { store, load, users } = await setUp();
    const { ids } = await load({ tags: ['app:1'], layers: [await layer('a')] });
    const id = ids[0] ?? '';
    const short = id.slice(7, 19);
    users.set(id, [{ id: 'c'.repeat(64), running: true }]);
    await assert.rejects(store.remove('app:1'), {
      message: `conflict: unable to remove repository reference "app:1" (must force) - container cccccccccccc is using its referenced image ${short}`,
    });
    await assert.rejects(store.remove(id, { force: true }), {
      message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
    });
    assert.deepEqual(await store.remove('app:1', { force: true }), [{ Untagged: 'app:1' }]);
    assert.equal(isDangling(await store.get(id)), true);
    users.set(id, [{ id: 'd'.repeat(64), running: false }]);
    await assert.rejects(store.remove(id), {
      message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container dddddddddddd`,
    });
    assert.deepEqual((await store.remove(id, { force: true }))[0], { Deleted: id });
  });

  it('prunes what has no name, or with all what nobody uses', async () => {
    const { store, load, users, tags } = await setUp();
    const { ids } = await load({ tags: ['used:1'], layers: [await layer('a')] }, { layers: [await layer('b')] });
    await load({ tags: ['free:1'], layers: [await layer('c')] });
    users.set(ids[0] ?? '', [{ id: 'c', running: false }]);
    const { removed, reclaimed } = await store.prune();
    assert.equal(removed[0] && 'Deleted' in removed[0] ? removed[0].Deleted : '', ids[1]);
    assert.equal(reclaimed, 1000);
    await store.prune({ all: true });
    assert.deepEqual(await tags(), ['used:1']);
  });
});

describe('moving images', () => {
  it('saves what load reads again, names and ids the same', async () => {
    const { store, load } = await setUp();
    const base = await layer('base');
    const { ids } = await load(
      { tags: ['one:1', 'one:2'], layers: [base] },
      { tags: ['two:1'], layers: [base, await layer('top')] },
    );
    const other = await setUp();
    const lines: string[] = [];
    await other.store.load(await store.save(['one', ids[1] ?? '']), {
      progress: ({ stream }) => stream !== undefined && lines.push(stream),
    });
    assert.deepEqual(lines, ['Loaded image: one:1\n', 'Loaded image: one:2\n', `Loaded image ID: ${ids[1]}\n`]);
    await assert.rejects(store.save(['nope']), { message: 'No such image: nope:latest' });
  });

  it('reads an OCI archive with an index inside, for this platform', async () => {
    const { store, load, engine } = await setUp();
    await load({ tags: ['app:1'], layers: [await layer('a')] });
    const image = await store.get('app:1');
    const bytesOf = (digest: string): Buffer => engine.blobs.get(digest)?.bytes ?? Buffer.alloc(0);
    const foreign = { ...image.manifestDescriptor, digest: `sha256:${'0'.repeat(64)}` };
    const inner = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        manifests: [
          { ...foreign, platform: { os: 'linux', architecture: 'arm64' } },
          { ...image.manifestDescriptor, platform: { os: 'linux', architecture: 'amd64' } },
        ],
      }),
    );
    const blobs = [
      inner,
      ...[image.manifestDescriptor, image.manifest.config, ...image.manifest.layers].map(({ digest }) =>
        bytesOf(digest),
      ),
    ];
    const outer = (annotations: Record<string, string>): string =>
      JSON.stringify({
        schemaVersion: 2,
        manifests: [{ mediaType: MEDIA_TYPE.ociIndex, digest: digestOf(inner), size: inner.length, annotations }],
      });
    const archive = (annotations: Record<string, string>): Promise<Buffer> =>
      tarOf([
        { name: 'oci-layout', data: '{"imageLayoutVersion":"1.0.0"}' },
        { name: 'index.json', data: outer(annotations) },
        ...blobs.map((data) => ({ name: `blobs/sha256/${digestOf(data).slice(7)}`, data })),
      ]);
    const other = await setUp();
    const named = { 'org.opencontainers.image.ref.name': 'example.org/app:7' };
    assert.deepEqual(await other.store.load(streamOf(await archive(named))), [image.id]);
    assert.deepEqual((await other.store.get(image.id)).repoTags, ['example.org/app:7']);
    assert.equal((await other.store.get(image.id)).records[0]?.target.digest, image.manifestDescriptor.digest);
    // A bare tag names nothing.
    const bare = await setUp();
    await bare.store.load(streamOf(await archive({ 'org.opencontainers.image.ref.name': '7' })));
    assert.equal(isDangling(await bare.store.get(image.id)), true);
    const copy = await setUp();
    assert.deepEqual(await copy.store.load(await other.store.save(['example.org/app:7'])), [image.id]);
  });

  it('tells of the layers it unpacks, unless it is to be quiet', async () => {
    const archive = await dockerArchive([{ tags: ['app:1'], layers: [await layer('a'), await layer('b')] }]);
    const lines = async (options: { quiet?: boolean }): Promise<unknown[]> => {
      const { store } = await setUp();
      const messages: ProgressMessage[] = [];
      await store.load(streamOf(archive), { ...options, progress: (message) => messages.push(message) });
      return messages;
    };
    assert.deepEqual(await lines({ quiet: true }), [{ stream: 'Loaded image: app:1\n' }]);
    const id = digestOf(await layer('a')).slice(7, 19);
    const told = await lines({});
    assert.equal(told.length, 5);
    const size = (await layer('a')).length;
    assert.deepEqual(told.slice(0, 2), [
      {
        status: 'Loading layer',
        progressDetail: { current: 0, total: size },
        progress: `[>${' '.repeat(49)}]  0B/${humanSize(size)}`,
        id,
      },
      {
        status: 'Loading layer',
        progressDetail: { current: size, total: size },
        progress: `[${'='.repeat(50)}]  ${humanSize(size)}/${humanSize(size)}`,
        id,
      },
    ]);
  });

  it('takes and gives only the platform that is asked for', async () => {
    const arm = { os: 'linux', architecture: 'arm64' };
    const { store, load } = await setUp();
    await load({ tags: ['app:1'], layers: [await layer('a')] });
    const wrong = {
      kind: 'notFound',
      message:
        'image with reference app:1 was found but its platform (linux/amd64) does not match the specified platform (linux/arm64)',
    } as const;
    await assert.rejects(store.save(['app:1'], { platform: arm }), wrong);
    await assert.rejects(store.inspect('app:1', { platform: arm }), wrong);
    await assert.rejects(store.history('app:1', { platform: arm }), wrong);
    const amd = { os: 'linux', architecture: 'amd64', variant: 'v2' };
    assert.equal((await store.inspect('app:1', { platform: amd })).image.repoTags[0], 'app:1');
    const archive = await dockerArchive([{ tags: ['app:1'], layers: [await layer('a')] }]);
    const other = await setUp();
    await assert.rejects(other.store.load(streamOf(archive), { platform: arm }), {
      kind: 'notFound',
      message: 'requested platform (linux/arm64) not found: image might be filtered out',
    });
    assert.equal((await other.store.load(streamOf(archive), { platform: amd })).length, 1);
  });

  it('minds neither a reader that goes away nor a blob that is gone', async () => {
    const { store, load, engine } = await setUp();
    await load({ tags: ['app:1'], layers: [Buffer.alloc(3 << 20)] });
    for await (const _ of await store.save(['app:1'])) break;
    const image = await store.get('app:1');
    engine.blobs.delete(image.manifest.layers[0]?.digest ?? '');
    const reading = async (): Promise<void> => {
      for await (const _ of await store.save(['app:1']));
    };
    await assert.rejects(reading(), { kind: 'notFound' });
  });

  it('imports a file tree with changes', async () => {
    const { store, events } = await setUp();
    const id = await store.import(streamOf(await layer('a')), { repo: 'tree', changes: ['CMD ["x"]'], message: 'hi' });
    const image = await store.get('tree:latest');
    assert.equal(image.id, id);
    assert.deepEqual(image.config, { Cmd: ['x'] });
    assert.equal(image.comment, 'hi');
    assert.equal(events[0]?.action, 'import');
    await assert.rejects(store.import(streamOf(Buffer.alloc(0))), { message: /the archive is empty/ });
    await assert.rejects(store.import(streamOf(await layer('a')), { changes: ['RUN x'] }), { kind: 'invalid' });
  });
});

describe('file trees for containers', () => {
  it('stand on the image, come again under the same key and go twice without complaint', async () => {
    const { store, load, engine } = await setUp();
    await load({ tags: ['app:1'], layers: [await layer('a')] });
    const image = await store.get('app:1');
    const mounts = await store.prepareRootfs('key', image);
    assert.deepEqual(await store.prepareRootfs('key', image), mounts);
    assert.equal(engine.trees.get('key')?.parent, image.chainIds[0]);
    assert.ok(engine.trees.get('key')?.labels['containerd.io/gc.root']);
    await store.removeRootfs('key');
    await store.removeRootfs('key');
    assert.equal(engine.trees.has('key'), false);
  });

  it('bring the image back when its layers were taken away', async () => {
    const { store, load, engine } = await setUp();
    await load({ tags: ['app:1'], layers: [await layer('a')] });
    const image = await store.get('app:1');
    await store.prepareRootfs('one', image);
    await store.removeRootfs('one');
    engine.trees.clear();
    await store.prepareRootfs('two', image);
    assert.equal(engine.trees.get('two')?.parent, image.chainIds[0]);
    assert.ok(engine.trees.has(image.chainIds[0] ?? ''));
  });
});
