import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Dockerode from 'dockerode';
import { type BusyboxImageOptions, busyboxImage } from '../../scripts/busybox-image.ts';
import { Daemon } from './daemon.ts';
import { TestHost } from './host.ts';
import { TestLan } from './lan.ts';
import { type RunOptions, type RunResult, run } from './run.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const DOCKER_20 = join(ROOT, '.cache/docker20/usr/bin/docker');

/** A command line client bound to one daemon. */
export interface Client {
  readonly name: string;
  /** Whatever its exit status. */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Stdout without the last newline; a status other than 0 throws. */
  (...args: string[]): Promise<string>;
}

export interface EngineOptions {
  readonly args?: readonly string[];
  /** Of the daemon's process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where the host is put, with others; absent: on one of its own. */
  readonly lan?: TestLan;
  /** Images to load; default one `busybox:latest`. */
  readonly images?: readonly BusyboxImageOptions[];
  /** Done to the host before the daemon starts. */
  readonly prepare?: (host: TestHost) => Promise<void>;
}

/** A daemon in a test host of its own, with the clients people use. */
export interface Engine extends AsyncDisposable {
  readonly lan: TestLan;
  readonly host: TestHost;
  readonly daemon: Daemon;
  /** The machine's own `docker`, or Debian's 20.10 where there is none. */
  readonly docker: Client;
  readonly docker20: Client;
  readonly fairway: Client;
  readonly dockerode: Dockerode;
}

const archives = new Map<string, Promise<Buffer>>();

export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const undo = new AsyncDisposableStack();
  try {
    const lan = options.lan ?? undo.use(await TestLan.start());
    const host = undo.use(await TestHost.start(lan));
    await options.prepare?.(host);
    const daemon = undo.use(await Daemon.start(host, options.args, options.env));
    const engine = {
      lan,
      host,
      daemon,
      docker: await machineDocker(daemon),
      docker20: client('docker20', [DOCKER_20], daemon),
      fairway: client('fairway', [join(ROOT, 'bin/fairway')], daemon),
      dockerode: new Dockerode({ socketPath: daemon.socket }),
      [Symbol.asyncDispose]: () => undo.disposeAsync(),
    };
    for (const image of options.images ?? [{ name: 'busybox:latest' }]) await load(engine, image);
    return engine;
  } catch (error) {
    await undo.disposeAsync();
    throw error;
  }
}

/** The clients that speak the same command line, for tests that all of them must pass. */
export function commandLines(engine: Engine): readonly Client[] {
  return [engine.docker, engine.docker20, engine.fairway];
}

export async function load(engine: Pick<Engine, 'docker'>, image: BusyboxImageOptions): Promise<void> {
  const key = JSON.stringify(image);
  let archive = archives.get(key);
  if (archive === undefined) {
    archive = busyboxImage(image);
    archives.set(key, archive);
  }
  const result = await engine.docker.run(['load'], { input: await archive });
  if (result.code !== 0) throw new Error(`docker load: ${result.stdout}${result.stderr}`);
}

async function machineDocker(daemon: Daemon): Promise<Client> {
  const found = await run(['sh', '-c', 'command -v docker']);
  return client('docker', [found.code === 0 ? found.stdout.trim() : DOCKER_20], daemon);
}

function client(name: string, command: readonly string[], daemon: Daemon): Client {
  const config = join(daemon.host.directory, 'docker-config');
  mkdirSync(config, { recursive: true });
  const env = { DOCKER_HOST: `unix://${daemon.socket}`, DOCKER_CONFIG: config };
  const runClient = (args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
    run([...command, ...args], { ...options, env: { ...env, ...options.env } });
  const call = async (...args: string[]): Promise<string> => {
    const result = await runClient(args);
    if (result.code !== 0) {
      throw new Error(
        `${name} ${args.join(' ')}: exit ${result.code}\n${result.stdout}${result.stderr}\n--- daemon:\n${daemon.log.slice(-2000)}`,
      );
    }
    return result.stdout.replace(/\n$/, '');
  };
  Object.defineProperty(call, 'name', { value: name });
  return Object.assign(call, { run: runClient }) as Client;
}
