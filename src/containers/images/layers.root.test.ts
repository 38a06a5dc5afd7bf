import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { type Header, pack as tarPack } from 'tar-stream';
import { silentLog, systemClock } from '../../base/index.ts';
import { type PrivateContainerd, startPrivateContainerd } from '../containerd/testing/index.ts';
import { LeasedBlobs, StaleLeases } from './blobs/index.ts';
import { digestOf, ImageStore, MEDIA_TYPE } from './index.ts';
import { configOf, dockerArchive, streamOf, tarOf } from './testing/index.ts';

type Entry = Partial<Header> & { readonly name: string; readonly data?: string };

async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const pack = tarPack();
  for (const { data = '', ...header } of entries) pack.entry({ mtime: new Date(0), ...header }, data);
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('layers in a real containerd', () => {
  let own: PrivateContainerd;
  let store: ImageStore;

  before(async () => {
    own = await startPrivateContainerd();
  });
  beforeEach(() => {
    store = new ImageStore({ engine: own.client });
  });
  after(() => own[Symbol.asyncDispose]());

  async function kept(): Promise<string[]> {
    const { content, images, snapshots, leases } = own.client;
    const lists = await Promise.all([content.list(), images.list(), snapshots.list(), leases.list()]);
    return [
      ...lists[0].map(({ digest }) => digest),
      ...lists[1].map(({ name }) => name),
      ...lists[2].map(({ name }) => name),
      ...lists[3].map(({ id }) => id),
    ];
  }

  /** containerd collects when a name is deleted and somebody waits for it. */
  async function collect(): Promise<void> {
    await store.remove(await store.import(streamOf(await tarOf([{ name: 'passing', data: 'x' }]))));
  }

  it('that a killed daemon held are there for the next one, and then go', async () => {
    const { client } = own;
    const whole = await tarOf([{ name: 'whole', data: 'x' }]);
    const blobs = await LeasedBlobs.open(client, Date.now());
    const { digest } = await blobs.writeBytes(whole);
    const writer = await client.content.openWriter({ ref: 'half', total: 100, lease: blobs.lease });
    await writer.write(Buffer.alloc(50));
    writer.close();

    const stale = new StaleLeases({ engine: client, log: silentLog });
    await stale.find(systemClock);
    await collect();
    assert.equal((await client.content.status('half'))?.offset, 50);
    assert.ok(await client.content.find(digest));
    const mine = await LeasedBlobs.open(client, Date.now());
    await stale.release();
    await collect();
    assert.equal(await client.content.status('half'), null);
    assert.deepEqual(await kept(), [mine.lease]);
    await mine.release();
    assert.deepEqual(await kept(), []);
  });

  it('that are wanted by a pull stay when another client removes their image meanwhile', async () => {
    const layers = [await tarOf([{ name: 'file', data: 'x' }])];
    const [id = ''] = await store.load(streamOf(await dockerArchive([{ tags: ['app:1'], layers }])));
    const { manifest, manifestDescriptor } = await store.get(id);
    const blobs = await LeasedBlobs.open(own.client, Date.now());
    for (const { digest } of [manifestDescriptor, manifest.config, ...manifest.layers]) {
      assert.equal(await blobs.hold(digest), true);
    }
    await store.adopt(manifestDescriptor, blobs.lease, {
      ready: async () => {
        await store.remove('app:1');
      },
    });
    await store.assignName('docker.io/library/app:2', manifestDescriptor);
    await blobs.release({ collect: true });
    await store.prepareRootfs('tree', await store.get('app:2'));
    await store.removeRootfs('tree');
    await store.remove('app:2');
    assert.deepEqual(await kept(), []);
  });

  for (const mediaType of [MEDIA_TYPE.dockerLayerZstd, MEDIA_TYPE.ociLayerZstd]) {
    it(`of the type ${mediaType} are unpacked`, async () => {
      const layer = await tarOf([{ name: 'file', data: 'packed by zstd' }]);
      const packed = zstdCompressSync(layer);
      const config = configOf({ layers: [layer] });
      const descriptor = (bytes: Buffer, type: string) => ({
        mediaType: type,
        digest: digestOf(bytes),
        size: bytes.length,
      });
      const manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          config: descriptor(config, MEDIA_TYPE.ociConfig),
          layers: [descriptor(packed, mediaType)],
        }),
      );
      const archive = await tarOf([
        ...[manifest, config, packed].map((data) => ({ name: `blobs/sha256/${digestOf(data).slice(7)}`, data })),
        {
          name: 'index.json',
          data: JSON.stringify({ schemaVersion: 2, manifests: [descriptor(manifest, MEDIA_TYPE.ociManifest)] }),
        },
      ]);
      const [id = ''] = await store.load(streamOf(archive));
      const [mount] = await store.prepareRootfs('tree', await store.get(id));
      const lower = mount?.options.find((option) => option.startsWith('lowerdir='))?.slice('lowerdir='.length);
      assert.equal(readFileSync(join(lower ?? mount?.source ?? '', 'file'), 'utf8'), 'packed by zstd');
      await store.removeRootfs('tree');
      await store.remove(id);
      assert.deepEqual(await kept(), []);
    });
  }

  it('that want to write outside of their tree do not', async () => {
    const outside = join(own.folder, 'outside');
    mkdirSync(outside);
    const up = '../'.repeat(20);
    const hostile: readonly (readonly Entry[])[] = [
      [{ name: `${up}${outside.slice(1)}/up`, data: 'x' }],
      [{ name: `${outside}/absolute`, data: 'x' }],
      [
        { name: 'out', type: 'symlink', linkname: outside },
        { name: 'out/through-link', data: 'x' },
      ],
      [
        { name: 'out', type: 'symlink', linkname: `${up}${outside.slice(1)}` },
        { name: 'out/through-relative-link', data: 'x' },
      ],
      [
        { name: 'hard', type: 'link', linkname: '/etc/passwd' },
        { name: 'hard', data: 'overwritten' },
      ],
    ];
    const passwords = readFileSync('/etc/passwd', 'utf8');
    for (const entries of hostile) {
      // Whether such a layer is refused or tamed is containerd's affair.
      await store.load(streamOf(await dockerArchive([{ tags: ['evil:1'], layers: [await tar(entries)] }]))).then(
        () => store.remove('evil:1'),
        () => {},
      );
      assert.deepEqual(readdirSync(outside), [], JSON.stringify(entries));
      assert.equal(readFileSync('/etc/passwd', 'utf8'), passwords);
    }
    await collect();
    assert.deepEqual(await kept(), []);
  });
});
