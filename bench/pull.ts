import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { type Engine, startRegistry, type TestHost } from '../test/support/index.ts';
import { median, type Row } from './stats.ts';

const LAYERS = 6;
const MEGABYTES = 100;
const FILES = 40;
const ROUNDS = 7;
const NAME = '127.0.0.1:5000/bench/large:1';

/**
 * An image of 100 MB in gzipped layers, pulled from Debian's registry on loopback, unpacking included; beside it `ctr` with
 * the same containerd, by turns. What one has brought is gone, content and snapshots, before the other begins.
 */
export async function pull(docker: Engine['docker'], host: TestHost): Promise<Row[]> {
  await startRegistry(host);
  const archive = join(host.directory, 'large.tar');
  writeFileSync(archive, await largeImage());
  await docker('load', '-i', archive);
  await docker('push', '-q', NAME);
  await docker('rmi', NAME);
  const socket = '/run/fairway/containerd/containerd.sock';
  const ctr = (...args: string[]): Promise<string> => host.ok(['ctr', '-a', socket, '-n', 'bench', ...args]);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await seconds(() => docker('pull', '-q', NAME)));
    await docker('rmi', NAME);
    theirs.push(await seconds(() => ctr('images', 'pull', '--plain-http', NAME)));
    await ctr('images', 'rm', '--sync', NAME);
  }
  const rate = (taken: readonly number[]): number => MEGABYTES / median(taken);
  return [
    {
      what: `pull of ${MEGABYTES} MB in ${LAYERS} layers from loopback`,
      value: `${rate(ours).toFixed(0)} MB/s, ratio ${(rate(ours) / rate(theirs)).toFixed(2)}`,
      baseline: `ctr images pull: ${rate(theirs).toFixed(0)} MB/s`,
      target: '≥ 0.70',
    },
  ];
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** A Docker archive. Its bytes shrink by a quarter, so that unpacking has something to do. */
async function largeImage(): Promise<Buffer> {
  const layers: { name: string; packed: Buffer; diffId: string }[] = [];
  for (let index = 0; index < LAYERS; index += 1) {
    const size = Math.floor((MEGABYTES * 1_000_000) / LAYERS / FILES);
    const files = Array.from({ length: FILES }, (_, file) => ({
      name: `layer${index}/file${file}`,
      data: Buffer.from(randomBytes(size).toString('base64')),
    }));
    const tar = await tarOf(files);
    layers.push({ name: `${index}.tar.gz`, packed: gzipSync(tar, { level: 1 }), diffId: digest(tar) });
  }
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Cmd: ['none'] },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    }),
  );
  const table = [{ Config: 'config.json', RepoTags: [NAME], Layers: layers.map(({ name }) => name) }];
  return tarOf([
    ...layers.map(({ name, packed }) => ({ name, data: packed })),
    { name: 'config.json', data: config },
    { name: 'manifest.json', data: Buffer.from(JSON.stringify(table)) },
  ]);
}

function digest(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function tarOf(files: readonly { readonly name: string; readonly data: Buffer }[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, data } of files) tar.entry({ name }, data);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
