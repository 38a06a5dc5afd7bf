import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { LeasedBlobs } from '../blobs/index.ts';
import { digestOf, MEDIA_TYPE } from '../format/index.ts';
import { dockerArchive, FakeEngine, streamOf, tarOf } from '../testing/index.ts';
import { decompressed } from './decompress.ts';
import { interpretArchive } from './interpret.ts';
import { humanSize, progressBar } from './progress.ts';
import { readArchive, storedFile } from './read.ts';

const PLATFORM = { os: 'linux', architecture: 'amd64' };

async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function read(bytes: Buffer, pieces?: number) {
  const engine = new FakeEngine();
  const blobs = await LeasedBlobs.open(engine, 0);
  const archive = await readArchive(streamOf(bytes, pieces), blobs);
  return { engine, blobs, archive };
}

describe('compressed streams', () => {
  const text = Buffer.from('hello '.repeat(10_000));
  const forms = { plain: text, gzip: gzipSync(text), zstd: zstdCompressSync(text) };
  for (const [form, bytes] of Object.entries(forms)) {
    for (const piece of [1 << 16, 3]) {
      it(`are read as ${form} in pieces of ${piece}`, async () => {
        assert.deepEqual(await all(await decompressed(streamOf(bytes, piece))), text);
      });
    }
  }

  it('are read when they are empty or tiny', async () => {
    assert.equal((await all(await decompressed(streamOf(Buffer.alloc(0))))).length, 0);
    assert.equal((await all(await decompressed(streamOf(Buffer.from('x'))))).toString(), 'x');
  });

  it('are refused when damaged or of another kind', async () => {
    const half = await decompressed(streamOf(forms.gzip.subarray(0, 40)));
    await assert.rejects(all(half), { kind: 'invalid', message: /gzip compression is damaged/ });
    await assert.rejects(decompressed(streamOf(Buffer.from('BZh91AY'))), {
      message: /bzip2 compression is not supported/,
    });
  });
});

describe('image archives', () => {
  it('lead from the table of a Docker archive to a manifest, whatever the layers are packed with', async () => {
    const layer = await tarOf([{ name: 'a', data: 'b' }]);
    const packs: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
      [MEDIA_TYPE.dockerLayer, (bytes) => bytes],
      [MEDIA_TYPE.dockerLayerGzip, (bytes) => gzipSync(bytes)],
      [MEDIA_TYPE.ociLayerZstd, (bytes) => zstdCompressSync(bytes)],
    ];
    for (const [mediaType, pack] of packs) {
      const bytes = await dockerArchive([{ tags: ['app:1'], layers: [layer] }], pack);
      const { engine, blobs, archive } = await read(gzipSync(bytes), 1000);
      const [image] = await interpretArchive(archive, { engine, blobs, platform: PLATFORM });
      assert.deepEqual(image?.names, ['docker.io/library/app:1']);
      const manifest = JSON.parse(String(engine.blobs.get(image?.target.digest ?? '')?.bytes));
      assert.equal(manifest.layers[0].mediaType, mediaType);
      assert.equal(manifest.layers[0].digest, digestOf(pack(layer)));
    }
  });

  it('follow links between layers, as old versions of docker save make them', async () => {
    const { archive } = await read(
      await tarOf([
        { name: './one/layer.tar', data: 'layer' },
        { name: 'two/', data: '' },
        { name: 'two/layer.tar', link: '../one/layer.tar' },
        { name: 'loop', link: 'loop' },
      ]),
    );
    assert.equal(storedFile(archive, 'two/layer.tar')?.digest, digestOf('layer'));
    assert.equal(storedFile(archive, 'loop'), null);
    assert.equal(storedFile(archive, '../../one/layer.tar')?.digest, digestOf('layer'));
  });

  it('say what they lack', async () => {
    const interpret = async (bytes: Buffer): Promise<unknown> => {
      const { engine, blobs, archive } = await read(bytes);
      return interpretArchive(archive, { engine, blobs, platform: PLATFORM });
    };
    const table = (value: unknown): Promise<Buffer> => tarOf([{ name: 'manifest.json', data: JSON.stringify(value) }]);
    await assert.rejects(
      interpret(await tarOf([{ name: 'x', data: 'y' }])),
      /neither a manifest.json nor an index.json/,
    );
    await assert.rejects(interpret(await tarOf([{ name: 'manifest.json', data: '{' }])), /invalid manifest.json/);
    await assert.rejects(interpret(await table({})), /not a list of images/);
    await assert.rejects(interpret(await table([{ Config: 1 }])), /not a list of images/);
    await assert.rejects(
      interpret(await table([{ Config: '/etc/passwd', Layers: [] }])),
      /lacks the file "\/etc\/passwd"/,
    );
    const config = JSON.stringify({ os: 'linux', rootfs: { type: 'layers', diff_ids: [digestOf('a')] } });
    const short = tarOf([
      { name: 'c.json', data: config },
      { name: 'manifest.json', data: JSON.stringify([{ Config: 'c.json', RepoTags: null, Layers: [] }]) },
    ]);
    await assert.rejects(interpret(await short), /layers length mismatch: expected 1, got 0/);
    const index = {
      schemaVersion: 2,
      manifests: [{ mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('m'), size: 1 }],
    };
    await assert.rejects(
      interpret(await tarOf([{ name: 'index.json', data: JSON.stringify(index) }])),
      /lacks the blob/,
    );
  });

  it('are refused when they are no archive at all', async () => {
    await assert.rejects(read(Buffer.from('not a tar')), { kind: 'invalid' });
  });

  it('are refused when a blob is not what its name says', async () => {
    const lying = await tarOf([{ name: `blobs/sha256/${'0'.repeat(64)}`, data: 'x' }]);
    await assert.rejects(read(lying), /unexpected commit digest/);
  });
});

describe('progress', () => {
  it('is drawn as Docker draws it', () => {
    assert.equal(progressBar(50, 100), `[${'='.repeat(25)}>${' '.repeat(24)}]  50B/100B`);
    assert.equal(progressBar(100, 100), `[${'='.repeat(50)}]  100B/100B`);
    assert.equal(progressBar(5, 0), '5B');
  });

  it('shows sizes in decimal units', () => {
    assert.deepEqual([0, 999, 1000, 1_234_567, 5e9].map(humanSize), ['0B', '999B', '1kB', '1.235MB', '5GB']);
  });
});
