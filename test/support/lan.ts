import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';
import { ok, type RunOptions, type RunResult, run } from './run.ts';

const LAN_DNS = fileURLToPath(new URL('lan-dns.ts', import.meta.url));

/** A process that keeps a namespace alive; `ready` is printed when its set-up is done. */
export async function startHolder(unshareFlags: readonly string[], script: string): Promise<ChildProcess> {
  const holder = spawn('unshare', [...unshareFlags, '--', 'sh', '-c', `${script}\necho ready; exec sleep infinity`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const problems: Buffer[] = [];
  holder.stderr.on('data', (chunk: Buffer) => problems.push(chunk));
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once('data', () => resolve());
    holder.once('exit', (code) => reject(new Error(`namespace holder ended (${code}): ${Buffer.concat(problems)}`)));
  });
  return holder;
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/**
 * The network beside the test hosts: a namespace with a bridge, a resolver, and no way out. Hosts get 10.99.0.1, .2 …
 * (fd99::1 …); the LAN itself, which plays the outside, is 10.99.0.254 and fd99::fe.
 */
export class TestLan {
  static readonly address = '10.99.0.254';
  static readonly address6 = 'fd99::fe';
  readonly #holder: ChildProcess;
  readonly #dns: ChildProcess;
  #hosts = 0;

  private constructor(holder: ChildProcess, dns: ChildProcess) {
    this.#holder = holder;
    this.#dns = dns;
  }

  static async start(): Promise<TestLan> {
    const holder = await startHolder(
      ['-n'],
      `set -e
       ip link set lo up
       ip link add br0 type bridge forward_delay 0
       sysctl -qw net.ipv6.conf.br0.accept_dad=0 net.ipv6.conf.br0.accept_ra=0
       ip link set br0 up
       ip addr add ${TestLan.address}/24 dev br0
       ip addr add ${TestLan.address6}/64 dev br0 nodad`,
    );
    const dns = spawn('nsenter', [`--net=/proc/${holder.pid}/ns/net`, process.execPath, LAN_DNS, TestLan.address], {
      stdio: 'ignore',
    });
    const lan = new TestLan(holder, dns);
    await lan.#untilAnswered(TestLan.address);
    return lan;
  }

  get pid(): number {
    return this.#holder.pid ?? 0;
  }

  /** The command line that runs `command` on the LAN itself. */
  inside(command: readonly string[]): string[] {
    return ['nsenter', `--net=/proc/${this.pid}/ns/net`, '--', ...command];
  }

  /** Another resolver on the LAN, at an address of its own, which is what it answers for `*.lan.test`. */
  async resolver(address: string): Promise<AsyncDisposable & { readonly address: string }> {
    await this.ok(['ip', 'addr', 'add', `${address}/24`, 'dev', 'br0']);
    const [program = '', ...args] = this.inside([process.execPath, LAN_DNS, address]);
    const child = spawn(program, args, { stdio: 'ignore' });
    await this.#untilAnswered(address);
    return {
      address,
      [Symbol.asyncDispose]: async () => {
        await stopChild(child);
        await this.run(['ip', 'addr', 'del', `${address}/24`, 'dev', 'br0']);
      },
    };
  }

  /** Connects a host's namespace (by a pid in it) as its eth0; returns its number, the last byte of its addresses. */
  async connect(pid: number): Promise<number> {
    this.#hosts += 1;
    // Others may be connected while we wait.
    const number = this.#hosts;
    const port = `host${number}`;
    await ok([
      'ip',
      'link',
      'add',
      port,
      'netns',
      String(this.pid),
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      String(pid),
    ]);
    await this.ok(['ip', 'link', 'set', port, 'master', 'br0', 'up']);
    return number;
  }

  run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run(this.inside(command), options);
  }

  ok(command: readonly string[], options: RunOptions = {}): Promise<string> {
    return ok(this.inside(command), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await eventually(() => {
      const left = processesIn(this.pid);
      for (const pid of left) killNow(pid);
      if (left.length > 0) throw new Error(`processes of the LAN go on: ${left.join(', ')}`);
    });
    await stopChild(this.#dns);
    await stopChild(this.#holder);
  }

  async #untilAnswered(address: string): Promise<void> {
    await eventually(async () => {
      const { stdout } = await this.run(['busybox', 'nslookup', 'probe.lan.test', address]);
      if (!stdout.includes('probe.lan.test')) throw new Error(`the LAN's resolver ${address} does not answer`);
    });
  }
}

/** Everything but the holder that runs in the holder's network namespace. */
function processesIn(holder: number): number[] {
  const own = readlinkSync(`/proc/${holder}/ns/net`);
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return Number.isInteger(pid) && pid !== holder && readlinkSync(`/proc/${pid}/ns/net`) === own;
      } catch {
        // It ended while we looked.
        return false;
      }
    });
}

/** SIGKILL; a process that is gone already is as good. */
export function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
