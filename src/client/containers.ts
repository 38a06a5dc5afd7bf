import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Hijacked, Query } from './connection/index.ts';
import { filtersText, type Session, segment } from './session.ts';
import type { Filters } from './wire.ts';
import type {
  ContainerDetails,
  ContainerSummary,
  CreateContainer,
  PathStat,
  StatsSample,
  TopResult,
  WaitResult,
} from './wire-containers.ts';

export interface ListContainers {
  readonly all?: boolean;
  readonly limit?: number | undefined;
  readonly size?: boolean;
  readonly filters?: Filters;
}

export interface AttachContainer {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly logs?: boolean;
  readonly detachKeys?: string | undefined;
}

export interface CreatedContainer {
  readonly Id: string;
  readonly Warnings: readonly string[] | null;
}

export class Containers {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  list(options: ListContainers = {}): Promise<ContainerSummary[]> {
    const { all, limit, size, filters } = options;
    const query = { all: all || undefined, limit, size: size || undefined, filters: filtersText(filters) };
    return this.#session.json('GET', '/containers/json', { query });
  }

  create(body: CreateContainer, options: { name?: string; platform?: string } = {}): Promise<CreatedContainer> {
    const query = { name: options.name || undefined, platform: options.platform || undefined };
    return this.#session.json('POST', '/containers/create', { query, body });
  }

  inspect(name: string, options: { size?: boolean } = {}): Promise<ContainerDetails> {
    const query = { size: options.size || undefined };
    return this.#session.json('GET', `/containers/${segment(name)}/json`, { query });
  }

  start(name: string, options: { detachKeys?: string | undefined } = {}): Promise<void> {
    return this.#post(name, 'start', { detachKeys: options.detachKeys });
  }

  stop(name: string, options: { timeout?: number | undefined; signal?: string | undefined } = {}): Promise<void> {
    return this.#post(name, 'stop', { t: options.timeout, signal: options.signal });
  }

  restart(name: string, options: { timeout?: number | undefined; signal?: string | undefined } = {}): Promise<void> {
    return this.#post(name, 'restart', { t: options.timeout, signal: options.signal });
  }

  kill(name: string, signal?: string): Promise<void> {
    return this.#post(name, 'kill', { signal });
  }

  pause(name: string): Promise<void> {
    return this.#post(name, 'pause');
  }

  unpause(name: string): Promise<void> {
    return this.#post(name, 'unpause');
  }

  rename(name: string, newName: string): Promise<void> {
    return this.#post(name, 'rename', { name: newName });
  }

  resize(name: string, size: { rows: number; columns: number }): Promise<void> {
    return this.#post(name, 'resize', { h: size.rows, w: size.columns });
  }

  update(name: string, body: object): Promise<{ readonly Warnings?: readonly string[] | null }> {
    return this.#session.json('POST', `/containers/${segment(name)}/update`, { body });
  }

  remove(name: string, options: { force?: boolean; volumes?: boolean; link?: boolean } = {}): Promise<void> {
    const query = {
      force: options.force || undefined,
      v: options.volumes || undefined,
      link: options.link || undefined,
    };
    return this.#session.send('DELETE', `/containers/${segment(name)}`, { query });
  }

  prune(filters: Filters): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }> {
    return this.#session.json('POST', '/containers/prune', { query: { filters: filtersText(filters) } });
  }

  /** Resolves as soon as the daemon has begun to watch; `ended` settles with the exit. */
  async wait(
    name: string,
    options: { condition?: string; signal?: AbortSignal } = {},
  ): Promise<{ readonly ended: Promise<WaitResult> }> {
    const response = await this.#session.call('POST', `/containers/${segment(name)}/wait`, {
      query: { condition: options.condition },
      signal: options.signal,
    });
    const ended = readJson<WaitResult>(response);
    ended.catch(() => {});
    return { ended };
  }

  attach(name: string, options: AttachContainer): Promise<Hijacked> {
    const { stdin, stdout, stderr, logs, detachKeys } = options;
    const query = {
      stream: true,
      stdin: stdin || undefined,
      stdout: stdout || undefined,
      stderr: stderr || undefined,
      logs: logs || undefined,
      detachKeys,
    };
    return this.#session.hijack(`/containers/${segment(name)}/attach`, {
      query,
      headers: { 'Content-Type': 'text/plain' },
    });
  }

  logs(name: string, query: Query): Promise<IncomingMessage> {
    return this.#session.call('GET', `/containers/${segment(name)}/logs`, { query });
  }

  stats(name: string, options: { stream: boolean; signal?: AbortSignal }): AsyncGenerator<StatsSample> {
    return this.#session.stream('GET', `/containers/${segment(name)}/stats`, {
      query: { stream: options.stream },
      signal: options.signal,
    });
  }

  top(name: string, psArgs: string | undefined): Promise<TopResult> {
    return this.#session.json('GET', `/containers/${segment(name)}/top`, { query: { ps_args: psArgs } });
  }

  changes(name: string): Promise<{ Path: string; Kind: number }[] | null> {
    return this.#session.json('GET', `/containers/${segment(name)}/changes`);
  }

  export(name: string): Promise<IncomingMessage> {
    return this.#session.call('GET', `/containers/${segment(name)}/export`);
  }

  commit(query: Query): Promise<{ readonly Id: string }> {
    return this.#session.json('POST', '/commit', { query, body: {} });
  }

  async statPath(name: string, path: string): Promise<PathStat> {
    const response = await this.#session.call('HEAD', `/containers/${segment(name)}/archive`, { query: { path } });
    response.resume();
    return statOf(response);
  }

  async getArchive(name: string, path: string): Promise<{ readonly tar: Readable; readonly stat: PathStat }> {
    const response = await this.#session.call('GET', `/containers/${segment(name)}/archive`, { query: { path } });
    return { tar: response, stat: statOf(response) };
  }

  putArchive(name: string, options: { path: string; tar: Readable; copyUidGid?: boolean }): Promise<void> {
    return this.#session.send('PUT', `/containers/${segment(name)}/archive`, {
      query: { path: options.path, noOverwriteDirNonDir: true, copyUIDGID: options.copyUidGid || undefined },
      upload: options.tar,
    });
  }

  #post(name: string, verb: string, query?: Query): Promise<void> {
    return this.#session.send('POST', `/containers/${segment(name)}/${verb}`, { query });
  }
}

function statOf(response: IncomingMessage): PathStat {
  const header = String(response.headers['x-docker-container-path-stat'] ?? '');
  return JSON.parse(Buffer.from(header, 'base64').toString()) as PathStat;
}

async function readJson<T>(response: Readable): Promise<T> {
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return JSON.parse(text) as T;
}
