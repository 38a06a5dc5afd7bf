import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Header, type Pack, pack } from 'tar-stream';

export interface BusyboxImageOptions {
  /** `busybox:latest` */
  readonly name: string;
  /** Put iputils' ping, with its libraries, in place of busybox's. */
  readonly iputils?: boolean;
  /** Further members of the image's config (`ExposedPorts`, `Volumes`, `User`, `Healthcheck`, …). */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Programs of this machine, with their libraries: path in the image → path here. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Further files, by absolute path. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
}

const EPOCH = new Date('2024-01-01T00:00:00Z');

/** A Docker archive (for `docker load`) made from Debian's static busybox; the same options give the same bytes. */
export async function busyboxImage(options: BusyboxImageOptions): Promise<Buffer> {
  const layer = await archive((tar) => addRootFilesystem(tar, options));
  const diffId = `sha256:${sha256(layer)}`;
  const config = JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    created: EPOCH.toISOString(),
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Cmd: ['sh'],
      ...options.config,
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created: EPOCH.toISOString(), created_by: 'ADD busybox in /' }],
  });
  const configName = `${sha256(Buffer.from(config))}.json`;
  const manifest = JSON.stringify([{ Config: configName, RepoTags: [options.name], Layers: ['layer.tar'] }]);
  return archive((tar) => {
    tar.entry({ name: 'layer.tar', mtime: EPOCH }, layer);
    tar.entry({ name: configName, mtime: EPOCH }, config);
    tar.entry({ name: 'manifest.json', mtime: EPOCH }, manifest);
  });
}

function addRootFilesystem(tar: Pack, options: BusyboxImageOptions): void {
  const entry = (header: Partial<Header> & { name: string }, content: Buffer | string = ''): void => {
    tar.entry({ mtime: EPOCH, uid: 0, gid: 0, ...header }, content);
  };
  for (const name of [
    'bin/',
    'dev/',
    'etc/',
    'home/',
    'lib/',
    'lib64/',
    'proc/',
    'root/',
    'sys/',
    'usr/',
    'var/',
    'var/www/',
  ]) {
    entry({ name, type: 'directory', mode: 0o755 });
  }
  entry({ name: 'tmp/', type: 'directory', mode: 0o1777 });
  entry({ name: 'bin/busybox', mode: 0o755 }, readFileSync('/bin/busybox'));
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets) {
    if (applet === 'busybox' || (options.iputils === true && applet === 'ping')) continue;
    entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox', mode: 0o777 });
  }
  entry(
    { name: 'etc/passwd', mode: 0o644 },
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n',
  );
  entry({ name: 'etc/group', mode: 0o644 }, 'root:x:0:\nusers:x:100:nobody\nnogroup:x:65534:\n');
  entry({ name: 'etc/nsswitch.conf', mode: 0o644 }, 'hosts: files dns\n');
  if (options.iputils === true) {
    addProgram(entry, '/bin/ping', execFileSync('sh', ['-c', 'command -v ping'], { encoding: 'utf8' }).trim());
  }
  for (const [path, source] of Object.entries(options.programs ?? {})) addProgram(entry, path, source);
  for (const [path, content] of Object.entries(options.files ?? {})) {
    entry({ name: path.replace(/^\//, ''), mode: 0o755 }, content);
  }
}

type AddEntry = (header: Partial<Header> & { name: string }, content: Buffer) => void;

function addProgram(entry: AddEntry, path: string, source: string): void {
  entry({ name: path.replace(/^\//, ''), mode: 0o755 }, readFileSync(source));
  const libraries = execFileSync('ldd', [source], { encoding: 'utf8' }).matchAll(/(\/\S+)\s+\(0x/g);
  for (const [, library = ''] of libraries) {
    const directory = library.includes('ld-linux') ? library.split('/')[1] : 'lib';
    entry({ name: `${directory}/${basename(library)}`, mode: 0o755 }, readFileSync(library));
  }
}

async function archive(fill: (tar: Pack) => void): Promise<Buffer> {
  const tar = pack();
  fill(tar);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name = 'busybox:latest', output = 'busybox.tar'] = process.argv.slice(2);
  writeFileSync(output, await busyboxImage({ name }));
}
