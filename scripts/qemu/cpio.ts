import { createWriteStream } from 'node:fs';
import { lstat, readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';

const DIRECTORY = 0o040755;
const FILE = 0o100000;
const LINK = 0o120777;

/** An archive that the kernel unpacks as its first root file system ("newc", as Documentation/driver-api/early-userspace says). */
export class InitramfsWriter {
  readonly #stream: ReturnType<typeof createWriteStream>;
  readonly #written = new Set<string>(['/', '.']);
  #inode = 1;

  constructor(path: string) {
    this.#stream = createWriteStream(path);
  }

  /** A file with this content; the folders above it are made. A path that is there already stays as it is. */
  async file(path: string, content: Buffer | string, permissions = 0o644): Promise<void> {
    await this.#entry(path, FILE | permissions, Buffer.from(content));
  }

  async link(path: string, target: string): Promise<void> {
    await this.#entry(path, LINK, Buffer.from(target));
  }

  async directory(path: string): Promise<void> {
    await this.#entry(path, DIRECTORY, Buffer.alloc(0));
  }

  /** A file of this machine, or what a link there leads to, at `path`. */
  async copy(source: string, path = source): Promise<void> {
    const real = await realpath(source);
    await this.file(path, await readFile(real), (await lstat(real)).mode & 0o777);
  }

  /** A folder of this machine with all in it, links as they are. */
  async copyTree(source: string, path = source): Promise<void> {
    await this.directory(path);
    for (const entry of await readdir(source, { withFileTypes: true })) {
      const [from, to] = [join(source, entry.name), join(path, entry.name)];
      if (entry.isDirectory()) await this.copyTree(from, to);
      else if (entry.isSymbolicLink()) await this.link(to, await readlink(from));
      else await this.copy(from, to);
    }
  }

  async end(): Promise<void> {
    await this.#write(record('TRAILER!!!', 0, 0, Buffer.alloc(0)));
    this.#stream.end();
    await finished(this.#stream);
  }

  async #entry(path: string, mode: number, content: Buffer): Promise<void> {
    if (this.#written.has(path)) return;
    await this.directory(dirname(path));
    this.#written.add(path);
    this.#inode += 1;
    await this.#write(record(path.slice(1), this.#inode, mode, content));
  }

  async #write(data: Buffer): Promise<void> {
    if (!this.#stream.write(data)) await new Promise<void>((resolve) => this.#stream.once('drain', () => resolve()));
  }
}

function record(name: string, inode: number, mode: number, content: Buffer): Buffer {
  // inode, mode, owner, group, links, time, size, device and rdevice in two numbers each, length of the name, checksum.
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, Buffer.byteLength(name) + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return Buffer.concat([padded(Buffer.from(header)), padded(content)]);
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
}
