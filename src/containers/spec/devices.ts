import { lstatSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { invalid, messageOf } from '../../base/index.ts';
import { deviceNumber } from '../limits/index.ts';

export interface OciDevice {
  readonly path: string;
  readonly type: 'c' | 'b' | 'p';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface DeviceRule {
  readonly allow: boolean;
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
}

const rule = (type: string, access: string, major?: number, minor?: number): DeviceRule => ({
  allow: true,
  type,
  access,
  ...(major !== undefined && { major }),
  ...(minor !== undefined && { minor }),
});

/** What every container may open: null, zero, full, random, urandom, tty, console, pseudo terminals; mknod of any. */
export const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [
  { allow: false, access: 'rwm' },
  rule('c', 'm'),
  rule('b', 'm'),
  rule('c', 'rwm', 1, 3),
  rule('c', 'rwm', 1, 5),
  rule('c', 'rwm', 1, 7),
  rule('c', 'rwm', 1, 8),
  rule('c', 'rwm', 1, 9),
  rule('c', 'rwm', 5, 0),
  rule('c', 'rwm', 5, 1),
  rule('c', 'rwm', 5, 2),
  rule('c', 'rwm', 136),
];

export const ALL_DEVICES_RULE: DeviceRule = { allow: true, access: 'rwm' };

/** The device at a host path as it shall appear in the container, or all below a folder. */
export function hostDevices(host: string, container: string): OciDevice[] {
  let path: string;
  try {
    path = realpathSync(host);
  } catch (error) {
    throw invalid(
      'no_such_device',
      `error gathering device information while adding custom device "${host}": no such file or directory`,
      error,
    );
  }
  const found = deviceAt(path, container);
  if (found) return [found];
  if (lstatSync(path).isDirectory()) {
    const devices = readdirSync(path).flatMap((name) => {
      try {
        return hostDevices(join(path, name), join(container, name));
      } catch {
        return [];
      }
    });
    if (devices.length > 0) return devices;
  }
  throw invalid(
    'not_a_device',
    `error gathering device information while adding custom device "${host}": not a device node`,
  );
}

/** Every device of the host's /dev, for privileged containers. */
export function allHostDevices(): OciDevice[] {
  const devices: OciDevice[] = [];
  const skip = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console', 'ptmx']);
  const visit = (folder: string, depth: number): void => {
    for (const name of readdirSync(folder)) {
      if (skip.has(name)) continue;
      const path = join(folder, name);
      try {
        const device = deviceAt(path, path);
        if (device) devices.push(device);
        else if (depth < 4 && lstatSync(path).isDirectory()) visit(path, depth + 1);
      } catch (error) {
        // Vanished meanwhile, or not ours to see.
        void messageOf(error);
      }
    }
  };
  visit('/dev', 0);
  return devices;
}

/** Docker's `c 1:3 rwm`. */
export function parseDeviceRule(text: string): DeviceRule {
  const parts = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text);
  if (!parts) throw invalid('invalid_device_rule', `invalid device cgroup rule format: '${text}'`);
  const number = (part: string | undefined): number | undefined => (part === '*' ? undefined : Number(part));
  return rule(parts[1] ?? 'a', parts[4] ?? 'rwm', number(parts[2]), number(parts[3]));
}

function deviceAt(path: string, container: string): OciDevice | null {
  const stat = lstatSync(path);
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) return null;
  const { major, minor } = deviceNumber(stat.rdev);
  return {
    path: container,
    type: stat.isBlockDevice() ? 'b' : 'c',
    major,
    minor,
    fileMode: stat.mode & 0o777,
    uid: stat.uid,
    gid: stat.gid,
  };
}
