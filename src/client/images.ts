import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Query } from './connection/index.ts';
import { filtersText, type Session } from './session.ts';
import type { Filters, HistoryEntry, ImageDeletion, ImageSummary, Progress } from './wire.ts';

export class Images {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  list(options: { all?: boolean; sharedSize?: boolean; filters?: Filters } = {}): Promise<ImageSummary[]> {
    const query = {
      all: options.all || undefined,
      'shared-size': options.sharedSize || undefined,
      filters: filtersText(options.filters),
    };
    return this.#session.json('GET', '/images/json', { query });
  }

  inspect(name: string, options: { platform?: string | undefined } = {}): Promise<object> {
    return this.#session.json('GET', `/images/${imagePath(name)}/json`, { query: platformQuery(options.platform) });
  }

  history(name: string): Promise<HistoryEntry[]> {
    return this.#session.json('GET', `/images/${imagePath(name)}/history`);
  }

  /** Pulls, without a tag all of them; `auth` is the base64url text of the registry's credentials. */
  pull(options: {
    image: string;
    tag: string;
    platform?: string;
    auth?: string | undefined;
  }): AsyncGenerator<Progress> {
    const query = { fromImage: options.image, tag: options.tag || undefined, platform: options.platform || undefined };
    return this.#session.stream('POST', '/images/create', { query, headers: authHeader(options.auth) });
  }

  push(name: string, options: { tag: string; platform?: string; auth?: string | undefined }): AsyncGenerator<Progress> {
    const headers = { 'X-Registry-Auth': options.auth ?? Buffer.from('{}').toString('base64url') };
    return this.#session.stream('POST', `/images/${imagePath(name)}/push`, {
      query: { tag: options.tag, ...platformQuery(options.platform) },
      headers,
    });
  }

  import(query: Query, upload: Readable | undefined): AsyncGenerator<Progress> {
    return this.#session.stream('POST', '/images/create', { query, upload });
  }

  load(upload: Readable, options: { quiet: boolean; platform?: string }): AsyncGenerator<Progress> {
    return this.#session.stream('POST', '/images/load', {
      query: { quiet: options.quiet, ...platformQuery(options.platform) },
      upload,
    });
  }

  save(names: readonly string[], options: { platform?: string } = {}): Promise<IncomingMessage> {
    return this.#session.call('GET', '/images/get', { query: { names, ...platformQuery(options.platform) } });
  }

  tag(source: string, options: { repo: string; tag: string }): Promise<void> {
    return this.#session.send('POST', `/images/${imagePath(source)}/tag`, { query: options });
  }

  remove(name: string, options: { force?: boolean; noPrune?: boolean } = {}): Promise<ImageDeletion[]> {
    const query = { force: options.force || undefined, noprune: options.noPrune || undefined };
    return this.#session.json('DELETE', `/images/${imagePath(name)}`, { query });
  }

  prune(filters: Filters): Promise<{ ImagesDeleted: ImageDeletion[] | null; SpaceReclaimed: number }> {
    return this.#session.json('POST', '/images/prune', { query: { filters: filtersText(filters) } });
  }
}

/** `os[/arch[/variant]]` as the daemon wants to read it. */
function platformQuery(text: string | undefined): { platform?: string } {
  if (!text) return {};
  const [os, architecture, variant] = text.split('/');
  // What is no platform goes as it is: the daemon says what is wrong with it.
  if (!os || !architecture) return { platform: text };
  return { platform: JSON.stringify({ os, architecture, ...(variant && { variant }) }) };
}

/** An image's name keeps its slashes: the daemon's routes take the rest of the path as the name. */
function imagePath(name: string): string {
  return name.split('/').map(encodeURIComponent).join('/').replaceAll('%3A', ':').replaceAll('%40', '@');
}

function authHeader(auth: string | undefined): Record<string, string> | undefined {
  return auth === undefined ? undefined : { 'X-Registry-Auth': auth };
}
