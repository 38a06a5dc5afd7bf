import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { invalid } from '../base/index.ts';
import { SystemError } from './ffi/index.ts';
import { type NetnsHandle, runInNetns } from './netns/index.ts';

/**
 * `net.ipv4.ip_forward`, `net/ipv4/conf/eth0.10/forwarding` or the parts as a list. With a slash anywhere, or in a list,
 * dots are part of a name, as interface names have them.
 */
export type SysctlKey = string | readonly string[];

/** The value without the line end. /proc/sys/net shows the namespace the thread is in; `ns` means that one instead. */
export function readSysctl(key: SysctlKey, ns?: NetnsHandle): string {
  const path = sysctlPath(key);
  return inNetns(ns, () => systemCall('read', path, () => readFileSync(path, 'utf8').trimEnd()));
}

/** An equal value is not written: /proc/sys can be read-only where everything is already right. */
export function writeSysctl(key: SysctlKey, value: string | number, ns?: NetnsHandle): void {
  const path = sysctlPath(key);
  const wanted = String(value);
  inNetns(ns, () => {
    if (writeThrough(path, wanted) || currentValue(path) === wanted) return;
    systemCall('write', path, () => writeFileSync(path, wanted));
  });
}

export function sysctlPath(key: SysctlKey): string {
  const parts = typeof key === 'string' ? key.split(key.includes('/') ? '/' : '.') : key;
  const bad = parts.find(
    (part) => part === '' || part === '.' || part === '..' || part.includes('/') || part.includes('\0'),
  );
  if (bad !== undefined || parts.length < 2) {
    throw invalid('invalid_sysctl', `invalid sysctl: ${JSON.stringify(key)}`);
  }
  return `/proc/sys/${parts.join('/')}`;
}

/**
 * Reads and writes with one look for the name, which takes the kernel the longer the more namespaces have a link of that name.
 * False where the file cannot be opened for both.
 */
function writeThrough(path: string, wanted: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'r+');
  } catch {
    return false;
  }
  try {
    const there = Buffer.alloc(64);
    if (there.toString('latin1', 0, readSync(fd, there, 0, 64, 0)).trimEnd() === wanted) return true;
    systemCall('write', path, () => writeSync(fd, wanted, 0, 'utf8'));
    return true;
  } finally {
    closeSync(fd);
  }
}

function currentValue(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch {
    // Missing or write-only: the write tells.
    return undefined;
  }
}

function inNetns<T>(ns: NetnsHandle | undefined, work: () => T): T {
  return ns === undefined ? work() : runInNetns(ns, work);
}

function systemCall<T>(verb: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') throw error;
    throw new SystemError(error.code, { syscall: verb, action: `${verb} sysctl ${path.slice('/proc/sys/'.length)}` });
  }
}
