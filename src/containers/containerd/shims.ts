import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { type Log, messageOf, silentLog } from '../../base/index.ts';
import type { Containerd } from './client.ts';
import { isRunning, type ProcessIdentity, processIdentity } from './process.ts';

export interface ForgottenShimOptions {
  readonly log?: Log;
  /** The OCI runtime, to take its record of the container away. */
  readonly runtime?: { readonly program?: string; readonly root?: string };
  /** Where processes are listed. */
  readonly proc?: string;
}

interface Shim extends ProcessIdentity {
  readonly id: string;
  readonly children: readonly number[];
}

const RUNTIME = { program: 'runc', root: '/run/containerd/runc' } as const;

/**
 * Ends shims of our namespace that containerd does not know. containerd 1.6 can forget one that it was just starting
 * when its client was killed; the container in it would run on with nobody to stop it. To be called before the first
 * task of this process is created, for a shim that is still starting looks the same. Resolves to the containers' ids.
 */
export async function endForgottenShims(
  client: Pick<Containerd, 'socketPath' | 'namespace'> & { readonly tasks: Pick<Containerd['tasks'], 'list'> },
  options: ForgottenShimOptions = {},
): Promise<string[]> {
  const log = options.log ?? silentLog;
  // Shims first: one that comes up between the two lists is then not taken for forgotten.
  const shims = await shimsOf(client, options.proc ?? '/proc');
  const tasks = await client.tasks.list();
  const ids = new Set(tasks.map(({ containerId }) => containerId));
  const pids = new Set(tasks.map(({ pid }) => pid));
  const ended: string[] = [];
  for (const shim of shims) {
    // A shim that several containers share carries the name of the first, which may be gone.
    if (ids.has(shim.id) || shim.children.some((pid) => pids.has(pid))) continue;
    log.warn({ container: shim.id, pid: shim.pid }, 'ending a shim that containerd has forgotten');
    await end(shim, client.namespace, options, log);
    ended.push(shim.id);
  }
  return ended;
}

async function shimsOf(client: { socketPath: string; namespace: string }, proc: string): Promise<Shim[]> {
  const found: Shim[] = [];
  const ours = await mountNamespace(proc, 'self');
  for (const entry of await readdir(proc)) {
    if (!/^\d+$/.test(entry)) continue;
    const words = (await readFile(join(proc, entry, 'cmdline'), 'utf8').catch(() => '')).split('\0');
    if (!basename(words[0] ?? '').startsWith('containerd-shim')) continue;
    const value = (flag: string): string | undefined => words[words.indexOf(flag) + 1 || words.length];
    const id = value('-id');
    if (id === undefined || value('-namespace') !== client.namespace || value('-address') !== client.socketPath)
      continue;
    // The same path in another mount namespace is another containerd's socket.
    if ((await mountNamespace(proc, entry)) !== ours) continue;
    const identity = await processIdentity(Number(entry));
    if (identity) found.push({ ...identity, id, children: await childrenOf(proc, entry) });
  }
  return found;
}

function mountNamespace(proc: string, pid: string): Promise<string | undefined> {
  return readlink(join(proc, pid, 'ns/mnt')).catch(() => undefined);
}

async function childrenOf(proc: string, pid: string): Promise<number[]> {
  const threads = await readdir(join(proc, pid, 'task')).catch(() => []);
  const lists = threads.map((thread) => readFile(join(proc, pid, 'task', thread, 'children'), 'utf8').catch(() => ''));
  return (await Promise.all(lists)).flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

async function end(shim: Shim, namespace: string, options: ForgottenShimOptions, log: Log): Promise<void> {
  // The shim goes first, so that it does not tell anybody of its container's end; then nobody reaps but init.
  for (const pid of [shim.pid, ...shim.children]) {
    if (pid === shim.pid && !(await isRunning(shim))) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      log.debug({ pid, reason: messageOf(error) }, 'it has ended already');
    }
  }
  const { program, root } = { ...RUNTIME, ...options.runtime };
  try {
    await promisify(execFile)(program, ['--root', join(root, namespace), 'delete', '--force', shim.id]);
  } catch (error) {
    log.debug({ container: shim.id, reason: messageOf(error) }, 'the runtime has no record of it');
  }
}
