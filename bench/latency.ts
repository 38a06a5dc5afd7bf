import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestHost } from '../test/support/index.ts';
import type { Api } from './api.ts';
import { median, ms, type Row } from './stats.ts';

const ROUNDS = 30;
const SOCKET = '/run/fairway/containerd/containerd.sock';
const NAMESPACE = 'fairway';
const BUNDLES = `run/fairway/containerd/io.containerd.runtime.v2.task/${NAMESPACE}`;

/**
 * How long a start, an exec and a whole short run take, by turns with `ctr` on the same containerd and with `runc` alone,
 * for the machine's speed changes faster than a suite runs. Theirs include the start of their own program.
 */
export async function latency(api: Api, host: TestHost): Promise<Row[]> {
  await using peers = await Peers.beside(api, host);
  const taken = new Timings();
  for (let round = 0; round < ROUNDS; round += 1) {
    await taken.time('start', () => start(api, `start${round}`));
    await api.remove(`start${round}`);
    await peers.ctrStart((work) => taken.time('start by ctr', work));
    await peers.runcStart((work) => taken.time('start by runc', work));
    await taken.time('exec', () => exec(api));
    await taken.time('exec by ctr', () => peers.ctrExec());
    await taken.time('exec by runc', () => peers.runcExec());
    await taken.time('run', () => run(api, `brief${round}`));
    await taken.time('run by ctr', () => peers.ctrRun());
  }
  return [
    taken.row('create + start, --network none', 'start', '≤ 60 ms'),
    taken.row('exec of true', 'exec', '≤ 40 ms'),
    taken.row('run --rm of true', 'run', '≤ 150 ms'),
  ];
}

async function start(api: Api, name: string): Promise<void> {
  const id = await api.create(name, 'none');
  await api.call('POST', `/containers/${id}/start`);
}

async function exec(api: Api): Promise<void> {
  const made = await api.call('POST', '/containers/box/exec', { Cmd: ['true'], AttachStdout: true });
  await api.drain('POST', `/exec/${(made as { Id: string }).Id}/start`, { Detach: false, Tty: false });
}

async function run(api: Api, name: string): Promise<void> {
  const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { NetworkMode: 'bridge', AutoRemove: true } };
  const { Id } = (await api.call('POST', `/containers/create?name=${name}`, body)) as { Id: string };
  const removed = api.call('POST', `/containers/${Id}/wait?condition=removed`);
  await api.call('POST', `/containers/${Id}/start`);
  await removed;
}

class Timings {
  readonly #taken = new Map<string, number[]>();

  async time(what: string, work: () => Promise<unknown>): Promise<void> {
    const begin = performance.now();
    await work();
    this.#of(what).push(performance.now() - begin);
  }

  /** Ours, beside the peers that have done the same. */
  row(title: string, what: string, target: string): Row {
    const ours = this.#of(what);
    const beside = ['ctr', 'runc'].flatMap((peer) => {
      const theirs = this.#taken.get(`${what} by ${peer}`);
      return theirs ? [`${peer}: ${ms(theirs)}, ratio ${(median(ours) / median(theirs)).toFixed(2)}`] : [];
    });
    return { what: title, value: ms(ours), baseline: beside.join('; '), target };
  }

  #of(what: string): number[] {
    const known = this.#taken.get(what) ?? [];
    this.#taken.set(what, known);
    return known;
  }
}

/** The same work without us: `ctr` on our containerd, and `runc` on a bundle with the specification of our container. */
class Peers implements AsyncDisposable {
  readonly #api: Api;
  readonly #host: TestHost;
  readonly #image: string;
  readonly #box: string;

  private constructor(api: Api, host: TestHost, found: { image: string; box: string }) {
    this.#api = api;
    this.#host = host;
    this.#image = found.image;
    this.#box = found.box;
  }

  /** With a container `box` that runs until the end. */
  static async beside(api: Api, host: TestHost): Promise<Peers> {
    const box = await api.create('box', 'none');
    await api.call('POST', `/containers/${box}/start`);
    const bundle = join(BUNDLES, box);
    const spec = JSON.parse(readFileSync(join(host.directory, bundle, 'config.json'), 'utf8'));
    spec.root.path = join('/', bundle, 'rootfs');
    spec.linux.cgroupsPath = `${host.cgroup}/runc`;
    mkdirSync(join(host.directory, 'run/bundle'));
    writeFileSync(join(host.directory, 'run/bundle/config.json'), JSON.stringify(spec));
    const images = await host.ok(['ctr', '-a', SOCKET, '-n', NAMESPACE, 'images', 'ls', '-q']);
    return new Peers(api, host, { image: images.split('\n')[0] ?? '', box });
  }

  async ctrStart(timed: (work: () => Promise<unknown>) => Promise<void>): Promise<void> {
    const id = randomUUID();
    await timed(() => this.#ctr('run', '-d', ...this.#isolation(), this.#image, id, 'sleep', '600'));
    await this.#ctr('task', 'rm', '-f', id);
    await this.#ctr('container', 'rm', id);
  }

  async runcStart(timed: (work: () => Promise<unknown>) => Promise<void>): Promise<void> {
    await timed(async () => {
      await this.#runc('--root /run/runc create --bundle /run/bundle bare');
      await this.#runc('--root /run/runc start bare');
    });
    await this.#runc('--root /run/runc delete --force bare');
  }

  ctrExec(): Promise<unknown> {
    return this.#ctr('task', 'exec', '--exec-id', randomUUID(), this.#box, 'true');
  }

  runcExec(): Promise<unknown> {
    return this.#runc(`--root /run/containerd/runc/${NAMESPACE} exec ${this.#box} true`);
  }

  ctrRun(): Promise<unknown> {
    return this.#ctr('run', '--rm', ...this.#isolation(), this.#image, randomUUID(), 'true');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api.remove('box');
  }

  /** What our containers have, as far as ctr can give it. */
  #isolation(): string[] {
    return ['--snapshotter', 'overlayfs', '--seccomp', '--cgroup', `${this.#host.cgroup}/ctr`];
  }

  #ctr(...args: string[]): Promise<string> {
    return this.#host.ok(['ctr', '-a', SOCKET, '-n', NAMESPACE, ...args]);
  }

  /** Away from our pipes, which the container would keep open. */
  #runc(words: string): Promise<string> {
    return this.#host.ok(['sh', '-c', `exec runc ${words} </dev/null >/dev/null 2>&1`]);
  }
}
