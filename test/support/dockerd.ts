import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { busyboxImage } from '../../scripts/busybox-image.ts';
import { DOCKER_20 } from './engine.ts';
import { eventually } from './eventually.ts';
import type { TestHost } from './host.ts';
import { ok } from './run.ts';

const BINARIES = dirname(DOCKER_20);
const SOCKET = '/run/docker.sock';

/** Debian's own dockerd on a test host, with its containerd; ends with the host. It has the image `busybox:latest`. */
export class Dockerd {
  readonly #host: TestHost;
  #process: ChildProcess | undefined;

  private constructor(host: TestHost) {
    this.#host = host;
  }

  static async start(host: TestHost): Promise<Dockerd> {
    const dockerd = new Dockerd(host);
    await dockerd.start();
    const command = dockerd.#client(['load']);
    await ok(command, { input: await busyboxImage({ name: 'busybox:latest' }) });
    return dockerd;
  }

  async start(): Promise<void> {
    const sbin = join(BINARIES, '../sbin');
    const [file = '', ...args] = this.#host.inside([
      join(sbin, 'dockerd'),
      `--host=unix://${SOCKET}`,
      '--data-root=/var/lib/docker',
      '--storage-driver=vfs',
      `--cgroup-parent=${this.#host.cgroup}`,
    ]);
    const env = { ...process.env, PATH: `${sbin}:${BINARIES}:/usr/sbin:${process.env.PATH}` };
    this.#process = spawn(file, args, { stdio: 'ignore', env });
    await eventually(() => this.docker('version'), 60_000);
  }

  /** Its containers end, its rules stay. */
  async stop(): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    running.kill('SIGTERM');
    await eventually(() => {
      if (running.exitCode === null && running.signalCode === null) throw new Error('dockerd still runs');
    });
  }

  /** Stdout of its own client. */
  docker(...args: string[]): Promise<string> {
    return ok(this.#client(args));
  }

  #client(args: readonly string[]): string[] {
    return this.#host.inside([DOCKER_20, `--host=unix://${SOCKET}`, ...args]);
  }
}
