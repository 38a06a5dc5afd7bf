import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { pack } from 'tar-stream';
import { changesOf } from './changes.ts';
import { goFileMode } from './go-mode.ts';
import { packTree } from './pack.ts';
import { Tree } from './tree.ts';
import { unpackInto } from './unpack.ts';

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'fwt-'));
  readonly root = join(this.path, 'root');

  constructor() {
    mkdirSync(this.root);
    writeFileSync(join(this.path, 'secret'), 'outside');
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

interface Item {
  readonly name: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link';
  readonly linkname?: string;
  readonly text?: string;
}

function archiveOf(items: readonly Item[]): Readable {
  const archive = pack();
  for (const { text = '', ...header } of items) {
    if (header.type === undefined || header.type === 'file') archive.entry(header, text);
    else archive.entry(header);
  }
  archive.finalize();
  return Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false });
}

describe('a tree that is not trusted', () => {
  it('is walked with its links, which stay inside', () => {
    using folder = new Folder();
    const { root } = folder;
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/passwd'), 'inside');
    symlinkSync('/etc', join(root, 'absolute'));
    symlinkSync('../../../../../etc', join(root, 'upwards'));
    symlinkSync('loop', join(root, 'loop'));
    using tree = new Tree(root);
    for (const path of ['/etc/passwd', '/absolute/passwd', '/upwards/passwd', '../../etc/./passwd']) {
      const place = tree.find(path);
      assert.equal(place.path, '/etc/passwd');
      assert.equal(readFileSync(Tree.hostPath(place), 'utf8'), 'inside');
    }
    assert.equal(tree.find('/absolute').stat?.isSymbolicLink(), true);
    assert.equal(tree.find('/absolute', { follow: true }).path, '/etc');
    assert.equal(tree.find('/../secret').stat, undefined);
    assert.throws(() => tree.find('/loop/x'), { message: /too many levels/ });
    assert.throws(() => tree.find('/nope/x'), { message: /no such file/ });
    assert.throws(() => tree.find('/etc/passwd/x'), { message: /not a directory/ });
  });

  it('takes no archive that writes outside of it', async () => {
    using folder = new Folder();
    const { root, path } = folder;
    mkdirSync(join(root, 'in'));
    using tree = new Tree(root);
    const evil: Item[] = [
      { name: '../../../../a', text: 'a' },
      { name: '/b', text: 'b' },
      { name: 'out', type: 'symlink', linkname: path },
      { name: 'out', text: 'c' },
      { name: 'way', type: 'symlink', linkname: '/in' },
      { name: 'way/d', text: 'd' },
    ];
    await unpackInto(tree, '/in', archiveOf(evil), { noOverwriteDirNonDir: false, owner });
    assert.equal(readFileSync(join(path, 'secret'), 'utf8'), 'outside');
    assert.equal(existsSync(join(path, 'a')), false);
    assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'a');
    assert.equal(readFileSync(join(root, 'in/b'), 'utf8'), 'b');
    assert.equal(lstatSync(join(root, 'in/out')).isFile(), true);
    assert.equal(readFileSync(join(root, 'in/d'), 'utf8'), 'd');
  });

  it('refuses to put a file over a folder when asked to', async () => {
    using folder = new Folder();
    mkdirSync(join(folder.root, 'x'));
    using tree = new Tree(folder.root);
    await assert.rejects(
      unpackInto(tree, '/', archiveOf([{ name: 'x', text: '' }]), { noOverwriteDirNonDir: true, owner }),
      { message: 'cannot overwrite directory "/x" with non-directory "x"' },
    );
  });

  it('comes back the same after it was packed', async () => {
    using from = new Folder();
    using to = new Folder();
    mkdirSync(join(from.root, 'a/b'), { recursive: true });
    writeFileSync(join(from.root, 'a/empty'), '');
    writeFileSync(join(from.root, 'a/b/big'), Buffer.alloc(300_000, 'x'));
    symlinkSync('b/big', join(from.root, 'a/link'));
    const source = new Tree(from.root);
    let done = false;
    const archive = packTree(source, source.find('/a'), {
      name: 'a',
      done: () => {
        done = true;
      },
    });
    using target = new Tree(to.root);
    await unpackInto(target, '/', archive, { noOverwriteDirNonDir: false, owner });
    assert.equal(done, true);
    assert.equal(readFileSync(join(to.root, 'a/b/big')).length, 300_000);
    assert.equal(readFileSync(join(to.root, 'a/link')).length, 300_000);
    assert.equal(readFileSync(join(to.root, 'a/empty')).length, 0);
  });
});

describe('changes of a container', () => {
  it('are told by what is in its own layer', () => {
    using folder = new Folder();
    const upper = join(folder.path, 'upper');
    const lower = folder.root;
    mkdirSync(join(lower, 'etc'), { recursive: true });
    writeFileSync(join(lower, 'etc/old'), '');
    mkdirSync(join(upper, 'etc'), { recursive: true });
    mkdirSync(join(upper, 'new'));
    mkdirSync(join(upper, 'proc'));
    writeFileSync(join(upper, 'etc/old'), 'changed');
    writeFileSync(join(upper, 'etc/hosts'), '');
    writeFileSync(join(upper, 'new/file'), '');
    assert.deepEqual(changesOf([upper, lower]), [
      { path: '/etc', kind: 0 },
      { path: '/etc/old', kind: 0 },
      { path: '/new', kind: 1 },
      { path: '/new/file', kind: 1 },
    ]);
  });
});

describe('file modes', () => {
  it('are told in the bits of Go', () => {
    assert.equal(goFileMode({ mode: 0o100644 }), 0o644);
    assert.equal(goFileMode({ mode: 0o040755 }), 0x80000000 + 0o755);
    assert.equal(goFileMode({ mode: 0o120777 }), 0x08000000 + 0o777);
    assert.equal(goFileMode({ mode: 0o104755 }), 0x00800000 + 0o755);
    assert.equal(goFileMode({ mode: 0o041777 }), 0x80000000 + 0x00100000 + 0o777);
  });
});
