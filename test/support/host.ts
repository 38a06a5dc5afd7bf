import type { ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { eventually } from './eventually.ts';
import { killNow, startHolder, stopChild, TestLan } from './lan.ts';
import { ok, type RunOptions, type RunResult, run } from './run.ts';

/**
 * A machine of its own for a daemon under test: network and mount namespace, private /run and /var/lib, a cgroup parent, one
 * link to a {@link TestLan}, and no other way out. What is started inside ends with it.
 */
export class TestHost {
  /** `/tmp/fw-XXXXXX`; `run/` below it is the host's /run, so its sockets can be reached from outside too. */
  readonly directory: string;
  readonly cgroup: string;
  readonly address: string;
  readonly address6: string;
  readonly #holder: ChildProcess;

  private constructor(directory: string, holder: ChildProcess, number: number) {
    this.directory = directory;
    this.cgroup = `/${basename(directory)}`;
    this.address = `10.99.0.${number}`;
    this.address6 = `fd99::${number}`;
    this.#holder = holder;
  }

  static async start(lan: TestLan): Promise<TestHost> {
    const directory = mkdtempSync('/tmp/fw-');
    for (const name of ['run', 'run/netns', 'lib', 'cgroup']) mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(join(directory, 'resolv.conf'), `nameserver ${TestLan.address}\n`);
    const holder = await startHolder(
      ['-n', '-m', '--propagation', 'private'],
      `set -e
       cd ${directory}
       # Namespaces that others have pinned go when they like; they are no part of this host.
       for at in $(sed -n 's/^nsfs \\([^ ]*\\) .*/\\1/p' /proc/self/mounts); do umount -l "$at" || :; done
       mount --rbind /sys/fs/cgroup cgroup
       mount -t sysfs sysfs /sys
       mount --rbind cgroup /sys/fs/cgroup
       umount -l cgroup
       mount --bind resolv.conf /etc/resolv.conf
       mount --bind lib /var/lib
       mount --bind run /run
       ip link set lo up`,
    );
    const number = await lan.connect(holder.pid ?? 0);
    const host = new TestHost(directory, holder, number);
    await host.ok([
      'sh',
      '-ec',
      `sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.accept_ra=0
      ip link set eth0 up
      ip addr add ${host.address}/24 dev eth0
      ip addr add ${host.address6}/64 dev eth0 nodad
      ip route add default via ${TestLan.address}
      ip -6 route add default via ${TestLan.address6}`,
    ]);
    return host;
  }

  /** A command line that runs inside the host. */
  inside(command: readonly string[]): string[] {
    const pid = this.#holder.pid ?? 0;
    return ['nsenter', `--net=/proc/${pid}/ns/net`, `--mount=/proc/${pid}/ns/mnt`, '--', ...command];
  }

  run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run(this.inside(command), options);
  }

  ok(command: readonly string[], options: RunOptions = {}): Promise<string> {
    return ok(this.inside(command), options);
  }

  /** Every process in one of the host's namespaces (daemons and shims), in its cgroup or on its files (containers). */
  processes(): { readonly pid: number; readonly command: string }[] {
    const holder = this.#holder.pid ?? 0;
    const machine = readlinkSync('/proc/self/ns/mnt');
    const found: { pid: number; command: string }[] = [];
    for (const entry of readdirSync('/proc')) {
      const pid = Number(entry);
      if (!Number.isInteger(pid) || pid === holder) continue;
      try {
        const mounts = readlinkSync(`/proc/${pid}/ns/mnt`);
        const belongs =
          readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync(`/proc/${holder}/ns/net`) ||
          readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`${this.cgroup}/`) ||
          (mounts !== machine && readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(`${this.directory}/`));
        if (belongs) found.push({ pid, command: readFileSync(`/proc/${pid}/comm`, 'utf8').trim() });
      } catch {
        // It ended while we looked: gone is what we want to know.
      }
    }
    return found;
  }

  /**
   * As when the power is cut: no process, mount, link, route of ours, rule or file in /run is left; /var/lib is as it was. The daemon's
   * process is the caller's to end first.
   */
  async loseAllButDisk(): Promise<void> {
    await this.#endAll();
    await this.ok([
      'sh',
      '-ec',
      // What is mounted below another goes with it, and a link with the namespace of its other end.
      `for at in $(cut -d' ' -f5 /proc/self/mountinfo | grep -E '^/(run|var/lib)/' | sort); do umount -l "$at" || :; done
      find /run -mindepth 1 -delete
      mkdir /run/netns
      nft flush ruleset
      ip route flush proto 70
      ip -6 route flush proto 70
      for link in $(ls /sys/class/net); do case $link in lo|eth0) ;; *) ip link del $link || : ;; esac; done`,
    ]);
    await eventually(async () => {
      const left = await this.ok(['ls', '/sys/class/net']);
      if (/veth|br-|fairway/.test(left)) throw new Error(`links left: ${left}`);
    });
    await eventually(() => removeCgroups(this.cgroup));
  }

  async #endAll(): Promise<void> {
    await eventually(() => {
      // What is frozen does not even end.
      for (const path of cgroupPaths(this.cgroup)) thaw(path);
      const left = this.processes();
      for (const { pid } of left) killNow(pid);
      if (left.length > 0) throw new Error(`still running in ${this.directory}: ${JSON.stringify(left)}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endAll();
    await stopChild(this.#holder);
    await eventually(() => removeCgroups(this.cgroup));
    await eventually(() => rmSync(this.directory, { recursive: true, force: true }));
  }
}

/** Empty cgroups of this name in every hierarchy (v1 has one for each controller). */
function removeCgroups(name: string): void {
  const removeTree = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(path, entry.name));
    }
    rmdirSync(path);
  };
  for (const root of cgroupPaths(name)) removeTree(root);
}

/** Lets the processes of a cgroup and of all below it go on: v1's freezer or v2's switch, where there is one. */
function thaw(path: string): void {
  for (const [file, word] of [
    ['freezer.state', 'THAWED'],
    ['cgroup.freeze', '0'],
  ] as const) {
    // Gone meanwhile, or another controller's: nothing to thaw.
    if (existsSync(join(path, file))) ignoreErrors(() => writeFileSync(join(path, file), word));
  }
  ignoreErrors(() => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) thaw(join(path, entry.name));
    }
  });
}

function ignoreErrors(work: () => void): void {
  try {
    work();
  } catch {
    // It ended while we looked.
  }
}

/** Where a cgroup of this name exists now. */
export function cgroupPaths(name: string): string[] {
  const mounts = readdirSync('/sys/fs/cgroup', { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join('/sys/fs/cgroup', entry.name));
  return ['/sys/fs/cgroup', ...mounts].map((mount) => join(mount, name)).filter((path) => exists(path));
}

function exists(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}
