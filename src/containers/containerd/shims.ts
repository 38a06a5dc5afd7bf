import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { type Log, messageOf, silentLog } from '../../base/index.ts';
import { isRunning, type ProcessIdentity, processIdentitySync } from '../../kernel/index.ts';
import type { Containerd } from './client.ts';
import type { TaskProcess } from './services/index.ts';

export interface ForgottenShimOptions {
  readonly log?: Log;
  /** The OCI runtime, to take its record of the container away. */
  readonly runtime?: { readonly program?: string; readonly root?: string };
  /** Where processes are listed. */
  readonly proc?: string;
}

interface Shim extends ProcessIdentity {
  readonly id: string;
}

const RUNTIME = { program: 'runc', root: '/run/containerd/runc' } as const;

/**
 * Ends shims of our namespace that containerd does not know. containerd 1.6 can forget one that it was just starting
 * when its client was killed; the container in it would run on with nobody to stop it. To be called before the first
 * task of this process is created, for a shim that is still starting looks the same. Resolves to the tasks that there are.
 */
export async function endForgottenShims(
  client: Pick<Containerd, 'socketPath' | 'namespace'> & { readonly tasks: Pick<Containerd['tasks'], 'list'> },
  options: ForgottenShimOptions = {},
): Promise<readonly TaskProcess[]> {
  const log = options.log ?? silentLog;
  const proc = options.proc ?? '/proc';
  // Shims first: one that comes up between the two lists is then not taken for forgotten.
  const shims = shimsOf(client, proc);
  const tasks = await client.tasks.list();
  const ids = new Set(tasks.map(({ containerId }) => containerId));
  const pids = new Set(tasks.map(({ pid }) => pid));
  for (const shim of shims.filter(({ id }) => !ids.has(id))) {
    const children = childrenOf(proc, shim.pid);
    // A shim that several containers share carries the name of the first, which may be gone.
    if (children.some((pid) => pids.has(pid))) continue;
    log.warn({ container: shim.id, pid: shim.pid }, 'ending a shim that containerd has forgotten');
    await end(shim, children, { ...options, namespace: client.namespace, log });
  }
  return tasks;
}

function shimsOf(client: { socketPath: string; namespace: string }, proc: string): Shim[] {
  const found: Shim[] = [];
  const ours = mountNamespace(proc, 'self');
  for (const entry of readdirSync(proc)) {
    if (!/^\d+$/.test(entry)) continue;
    const words = textOf(join(proc, entry, 'cmdline')).split('\0');
    if (!basename(words[0] ?? '').startsWith('containerd-shim')) continue;
    const value = (flag: string): string | undefined => words[words.indexOf(flag) + 1 || words.length];
    const id = value('-id');
    if (id === undefined || value('-namespace') !== client.namespace || value('-address') !== client.socketPath)
      continue;
    // The same path in another mount namespace is another containerd's socket.
    if (mountNamespace(proc, entry) !== ours) continue;
    const identity = processIdentitySync(Number(entry));
    if (identity) found.push({ ...identity, id });
  }
  return found;
}

function mountNamespace(proc: string, pid: string): string | undefined {
  try {
    return readlinkSync(join(proc, pid, 'ns/mnt'));
  } catch {
    // It has ended.
    return undefined;
  }
}

function childrenOf(proc: string, pid: number): number[] {
  const tasks = join(proc, String(pid), 'task');
  const lists = namesIn(tasks).map((thread) => textOf(join(tasks, thread, 'children')));
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // It has ended.
    return [];
  }
}

/** Empty for a process that has ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function end(
  shim: Shim,
  children: readonly number[],
  options: ForgottenShimOptions & { readonly namespace: string; readonly log: Log },
): Promise<void> {
  const { namespace, log } = options;
  // The shim goes first, so that it does not tell anybody of its container's end; then nobody reaps but init.
  for (const pid of [shim.pid, ...children]) {
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
