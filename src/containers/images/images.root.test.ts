import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Containerd } from '../containerd/index.ts';
import { type PrivateContainerd, startPrivateContainerd } from '../containerd/testing/index.ts';
import { ImageStore } from './index.ts';
import { dockerArchive, streamOf, tarOf } from './testing/index.ts';

describe('images in a real containerd', () => {
  let own: PrivateContainerd;
  let base: Buffer;
  let top: Buffer;

  before(async () => {
    own = await startPrivateContainerd();
    const busybox = await readFile('/bin/busybox');
    base = await tarOf([
      { name: 'bin/' },
      { name: 'bin/busybox', data: busybox, mode: 0o755 },
      { name: 'bin/sh', link: 'busybox' },
    ]);
    top = await tarOf([{ name: 'etc/' }, { name: 'etc/motd', data: 'hello' }]);
  });

  after(() => own[Symbol.asyncDispose]());

  /** Everything that containerd still keeps. */
  async function kept(): Promise<string[]> {
    const { content, images, snapshots, leases } = own.client;
    const [blobs, names, trees, held] = await Promise.all([
      content.list(),
      images.list(),
      snapshots.list(),
      leases.list(),
    ]);
    return [
      ...blobs.map(({ digest }) => digest),
      ...names.map(({ name }) => name),
      ...trees.map(({ name }) => name),
      ...held.map(({ id }) => id),
    ];
  }

  for (const [form, pack] of [
    ['plain', (bytes: Buffer) => bytes],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    it(`load from an archive with ${form} layers, and leave nothing when removed`, async () => {
      const store = new ImageStore({ engine: own.client });
      const archive = await dockerArchive(
        [{ tags: ['box:1'], layers: [base, top], config: { Cmd: ['sh'] } }],
        (layer) => pack(layer),
      );
      const [id] = await store.load(streamOf(archive));
      const { image, size } = await store.inspect('box:1');
      assert.equal(image.id, id);
      assert.ok(size > base.length / 2);
      const [mount] = await store.prepareRootfs('tree', image);
      assert.ok(mount && ['overlay', 'bind'].includes(mount.type));
      assert.deepEqual(await store.prepareRootfs('tree', image), [mount]);
      assert.ok((await store.rootfsSize('tree')) < base.length);

      // The image goes although a file tree stands on it; the tree's layers stay until it goes as well.
      await store.remove('box:1');
      assert.deepEqual(await store.mountsOf('tree'), [mount]);
      await store.removeRootfs('tree');
      await store.removeRootfs('tree');
      await collect(store);
      assert.deepEqual(await kept(), []);
    });
  }

  it('survive garbage collection whole, under a name or without', async () => {
    const store = new ImageStore({ engine: own.client });
    const archive = await dockerArchive([{ tags: ['box:1'], layers: [base] }, { layers: [base, top] }]);
    const ids = await store.load(streamOf(gzipSync(archive)));
    await collect(store);
    for (const id of ids) {
      const image = await store.get(id);
      for (const { digest } of [image.manifest.config, ...image.manifest.layers]) {
        assert.ok(await own.client.content.find(digest), digest);
      }
      await store.prepareRootfs(`tree-${id}`, image);
      await store.removeRootfs(`tree-${id}`);
    }
    const copy = await buffered(await store.save(ids));
    for (const id of ids) await store.remove(id);
    assert.deepEqual(await store.load(streamOf(copy)), ids);
    await store.prune({ all: true });
    assert.deepEqual(await kept(), []);
  });

  it('import a file tree', async () => {
    const store = new ImageStore({ engine: own.client });
    const id = await store.import(streamOf(gzipSync(base)), { repo: 'tree:x', changes: ['ENTRYPOINT ["sh"]'] });
    assert.deepEqual((await store.get('tree:x')).config.Entrypoint, ['sh']);
    assert.deepEqual((await store.remove(id))[0], { Untagged: 'tree:x' });
    assert.deepEqual(await kept(), []);
  });

  it('work with whole copies where there are no overlays', async () => {
    using client = await Containerd.connect({
      socketPath: own.daemon.socketPath,
      namespace: 'copies',
      snapshotter: 'native',
    });
    const store = new ImageStore({ engine: client });
    const [id] = await store.load(streamOf(await dockerArchive([{ tags: ['box:1'], layers: [base, top] }])));
    const [mount] = await store.prepareRootfs('tree', await store.get(id ?? ''));
    assert.equal(mount?.type, 'bind');
    assert.equal(await readFile(join(mount?.source ?? '', 'etc/motd'), 'utf8'), 'hello');
    await store.removeRootfs('tree');
    await store.remove('box:1');
    assert.deepEqual(await client.snapshots.list(), []);
  });

  it('are made of what was written in a file tree', async () => {
    const store = new ImageStore({ engine: own.client });
    await store.load(streamOf(await dockerArchive([{ tags: ['box:1'], layers: [base], config: { Cmd: ['sh'] } }])));
    const parent = await store.get('box:1');
    const [mount] = await store.prepareRootfs('written', parent);
    const upper = mount?.options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length);
    const root = upper ?? mount?.source ?? '';
    await mkdir(join(root, 'etc'));
    await writeFile(join(root, 'etc/new'), 'text');
    const id = await store.commit('written', {
      parent,
      config: parent.config,
      changes: ['ENV A=1'],
      comment: 'a note',
      repo: 'box',
      tag: '2',
    });
    const made = await store.get('box:2');
    assert.equal(made.id, id);
    assert.deepEqual(made.config, { Cmd: ['sh'], Env: ['A=1'] });
    assert.deepEqual(made.chainIds.slice(0, 1), parent.chainIds);
    assert.equal(made.history.at(-1)?.comment, 'a note');
    const archive = await buffered(await store.save(['box:2']));
    assert.ok(archive.includes('etc/new'));
    await store.removeRootfs('written');
    await store.remove('box:2');
    await store.remove('box:1');
    assert.deepEqual(await kept(), []);
  });

  /** containerd collects when a name is deleted and somebody waits for it. */
  async function collect(store: ImageStore): Promise<void> {
    const id = await store.import(streamOf(top), { repo: 'passing' });
    await store.remove(id);
  }
});

async function buffered(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}
