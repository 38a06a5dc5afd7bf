import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InitramfsWriter } from './cpio.ts';

/** What of Debian's modules can be wanted by links, filters and translations. */
const MODULES = ['net', 'drivers/net', 'lib', 'crypto', 'arch/x86/crypto'];
/** Beside busybox, which gives the rest. */
const PROGRAMS = ['ip', 'bridge', 'nft', 'nsenter', 'unshare', 'ping', 'runc'];
/** Unpacked by scripts/setup.sh. */
const ETCD = '.cache/etcd/usr/bin/etcd';
const SETTINGS = ['/etc/protocols', '/etc/services', '/etc/hosts', '/etc/passwd', '/etc/group'];
/** Of the packages that only tests use, those that can run without containers. */
const TEST_PACKAGES = ['dns-packet', '@leichtgewicht/ip-codec', 'fast-check', 'pure-rand'];

export interface GuestImage {
  /** The checkout. */
  readonly root: string;
  /** `…/lib/modules/VERSION`, with what depmod made. */
  readonly modules: string;
  /** The program that runs as process 1. */
  readonly init: string;
  /** Where the archive goes. */
  readonly path: string;
}

/** The whole root file system of the guest: this machine's programs, Debian's modules, Node, the sources and tests. */
export async function writeGuestImage({ root, modules, init, path }: GuestImage): Promise<void> {
  const image = new InitramfsWriter(path);
  for (const folder of ['/dev', '/proc', '/sys', '/run', '/tmp', '/root', '/usr/local/bin'])
    await image.directory(folder);
  await image.file('/init', init, 0o755);
  // Not busybox's: that one prefers its own `ip` to the one beside it.
  await copyProgram(image, '/bin/sh');
  for (const program of PROGRAMS) await copyProgram(image, which(program));
  for (const file of SETTINGS) if (existsSync(file)) await image.copy(file);
  // Nobody answers questions about names here.
  await image.file('/etc/nsswitch.conf', 'hosts: files\n');
  await addBusybox(image);
  await addModules(image, modules);
  await copyLibraries(image, libnftables());
  await copyProgram(image, join(root, 'node_modules/.bin/node'), '/usr/local/bin/node');
  await image.file('/fairway/package.json', readFileSync(join(root, 'package.json')));
  for (const folder of ['src', 'test', 'scripts']) await image.copyTree(join(root, folder), `/fairway/${folder}`);
  await copyProgram(image, join(root, ETCD), `/fairway/${ETCD}`);
  for (const folder of packages(root)) await image.copyTree(join(root, folder), `/fairway/${folder}`);
  await image.end();
}

async function addBusybox(image: InitramfsWriter): Promise<void> {
  await image.copy('/bin/busybox');
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const ours = new Set(['sh', ...PROGRAMS]);
  for (const applet of applets) if (!ours.has(applet)) await image.link(`/bin/${applet}`, 'busybox');
  // The kernel asks for modules by this name.
  await image.link('/sbin/modprobe', '/bin/busybox');
}

async function addModules(image: InitramfsWriter, modules: string): Promise<void> {
  const target = modules.slice(modules.lastIndexOf('/lib/modules/'));
  for (const name of ['dep', 'alias', 'symbols', 'builtin']) {
    await image.copy(join(modules, `modules.${name}`), `${target}/modules.${name}`);
  }
  for (const name of MODULES) await image.copyTree(join(modules, 'kernel', name), `${target}/kernel/${name}`);
}

/** With the libraries it is linked to. */
async function copyProgram(image: InitramfsWriter, source: string, path = source): Promise<void> {
  await image.copy(source, path);
  await copyLibraries(image, source);
}

async function copyLibraries(image: InitramfsWriter, path: string): Promise<void> {
  const libraries = execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/(\/\S+)\s+\(0x/g);
  for (const [, library = ''] of libraries) await image.copy(library);
  if (path.includes('.so')) await image.copy(path);
}

function libnftables(): string {
  const cache = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  const [, path] = /libnftables\.so\.1 .* => (\S+)/.exec(cache) ?? [];
  if (path === undefined) throw new Error('libnftables.so.1 is not installed; scripts/setup.sh does it');
  return path;
}

function which(program: string): string {
  const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
  return execFileSync('/bin/sh', ['-c', `command -v ${program}`], { env: { PATH: path }, encoding: 'utf8' }).trim();
}

/** What runs without the tools for developing, by the lock file. */
function packages(root: string): readonly string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  };
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => dev !== true || TEST_PACKAGES.some((name) => path === `node_modules/${name}`))
    .map(([path]) => path)
    .filter((path) => path !== '' && !/^node_modules\/node-linux-/.test(path))
    .filter((path) => existsSync(join(root, path)));
}
