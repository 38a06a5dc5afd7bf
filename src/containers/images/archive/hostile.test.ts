import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Header, pack as tarPack } from 'tar-stream';
import { ImageStore } from '../store.ts';
import { configOf, dockerArchive, FakeEngine, streamOf, tarOf } from '../testing/index.ts';

type Entry = Partial<Header> & { readonly name: string; readonly data?: Buffer | string };

/** A tar of entries of every kind. */
async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const pack = tarPack();
  for (const { data = '', ...header } of entries) pack.entry({ mtime: new Date(0), ...header }, data);
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Loading is refused with this text, and leaves no name, lease or half of a blob. */
async function refused(archive: Buffer | AsyncIterable<Uint8Array>, message: RegExp): Promise<void> {
  const engine = new FakeEngine();
  const store = new ImageStore({ engine }, { platform: { os: 'linux', architecture: 'amd64' } });
  const source = Buffer.isBuffer(archive) ? streamOf(archive) : archive;
  await assert.rejects(store.load(source), { kind: 'invalid', message });
  assert.deepEqual([engine.names.size, engine.openLeases.size, engine.trees.size], [0, 0, 0]);
}

describe('a hostile archive', async () => {
  const layer = await tarOf([{ name: 'file', data: 'x' }]);
  const config = { name: 'config.json', data: configOf({ layers: [layer] }) };
  const table = (paths: readonly string[], more: object = {}): Entry => ({
    name: 'manifest.json',
    data: JSON.stringify([{ Config: 'config.json', RepoTags: ['app:1'], Layers: paths, ...more }]),
  });

  for (const path of ['../../../../etc/passwd', '/etc/passwd', 'blobs/../../etc/passwd']) {
    it(`that names ${path} as a layer gets no file of the machine`, async () =>
      refused(await tar([config, table([path])]), /it lacks the file/));
  }

  it('whose layer is a link out of it gets no file of the machine', async () => {
    const links: Entry[] = [
      { name: 'layer.tar', type: 'symlink', linkname: '/etc/passwd' },
      { name: 'layer.tar', type: 'symlink', linkname: '../../../../../../etc/passwd' },
      { name: 'layer.tar', type: 'link', linkname: '/etc/passwd' },
    ];
    for (const link of links) await refused(await tar([config, link, table(['layer.tar'])]), /it lacks the file/);
  });

  it('whose links go round in circles comes to an end', async () => {
    const around: Entry[] = [
      { name: 'a', type: 'symlink', linkname: 'b' },
      { name: 'b', type: 'symlink', linkname: 'a' },
    ];
    await refused(await tar([config, ...around, table(['a'])]), /it lacks the file "a"/);
  });

  it('whose layer is a device or a folder is refused', async () => {
    for (const type of ['character-device', 'block-device', 'fifo', 'directory'] as const) {
      const special: Entry = { name: 'layer.tar', type, devmajor: 1, devminor: 5 };
      await refused(await tar([config, special, table(['layer.tar'])]), /it lacks the file "layer\.tar"/);
    }
  });

  it('that holds a file twice is judged by the last one', async () => {
    const twice = await tar([
      config,
      { name: 'layer.tar', data: layer },
      { name: './layer.tar', data: await tarOf([{ name: 'file', data: 'another' }]) },
      table(['layer.tar']),
    ]);
    await refused(twice, /holds "sha256:\w+" where the image says "sha256:\w+"/);
  });

  it('whose tables are no tables is refused', async () => {
    const only = (data: string): Promise<Buffer> => tar([{ name: 'manifest.json', data }]);
    await refused(await only('[null]'), /not a list of images/);
    await refused(await only('{"Config":"x"}'), /not a list of images/);
    await refused(await only('[{"Config":1}]'), /not a list of images/);
    await refused(await only('[{"Config":"x","Layers":[1]}]'), /not a list of images/);
    await refused(await only('[{'), /invalid manifest\.json/);
    await refused(await only('[]'), /it has no images/);
    await refused(
      await tar([{ name: 'index.json', data: '{"manifests":[{"digest":"sha256:..\\/..\\/x"}]}' }]),
      /invalid image index/,
    );
    const names = table(['layer.tar'], { RepoTags: ['../../etc:1'] });
    await refused(await tar([config, { name: 'layer.tar', data: layer }, names]), /invalid reference format/);
  });

  it('with more tables, configuration or headers than make sense is refused before it fills the memory', async () => {
    await refused(
      await tar([{ name: 'manifest.json', data: Buffer.alloc((8 << 20) + 1, ' ') }]),
      /manifest\.json is too large/,
    );
    const large = { name: 'config.json', data: Buffer.alloc((8 << 20) + 1, ' ') };
    await refused(
      await tar([large, { name: 'layer.tar', data: layer }, table(['layer.tar'])]),
      /"config\.json" is too large/,
    );
    const attributes = await tar([{ name: 'x', pax: { comment: 'y'.repeat(5 << 20) } }]);
    await refused(attributes, /cannot load archive: Header exceeds max size/);
  });

  it('with entries without an end is left', async () => {
    const one = (await tar([{ name: 'empty' }])).subarray(0, 512);
    const many = Buffer.concat(Array.from({ length: 1000 }, () => one));
    let sent = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        sent += 1000;
        yield many;
      }
    }
    await refused(endless(), /it has too many entries/);
    assert.ok(sent < 200_000, `${sent}`);
  });

  it('that is shorter than its headers say is refused', async () => {
    const whole = await dockerArchive([{ tags: ['app:1'], layers: [layer] }]);
    for (const length of [1, 511, 513, 1500, whole.length >> 1])
      await refused(whole.subarray(0, length), /cannot load archive/);
  });
});
