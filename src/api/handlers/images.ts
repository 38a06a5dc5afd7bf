import { FairwayError, invalid, systemClock } from '../../base/index.ts';
import {
  type ImageFilters,
  type Platform,
  type ProgressMessage,
  parsePlatform,
  platformText,
} from '../../containers/images/index.ts';
import type { ApiDeps, RegistryAuth } from '../deps.ts';
import { encodeHistory, encodeImage, encodeImageSummary } from '../encode/index.ts';
import {
  type Answer,
  boolFilter,
  boolOf,
  type Call,
  type Filters,
  filtersOf,
  ok,
  type ReplyStream,
  type Route,
  textOf,
  timeOf,
  wireError,
} from '../http/index.ts';

type Deps = Pick<ApiDeps, 'images' | 'registry' | 'facts' | 'clock'>;

export function imageRoutes(deps: Deps): Route[] {
  const { images } = deps;
  const name = (call: Call): string => call.params.name ?? '';
  return [
    { method: 'GET', path: '/images/json', handle: (call) => list(deps, call) },
    { method: 'POST', path: '/images/create', handle: (call) => create(deps, call) },
    { method: 'POST', path: '/images/load', handle: (call) => load(deps, call) },
    { method: 'POST', path: '/images/prune', handle: (call) => prune(deps, call) },
    { method: 'GET', path: '/images/get', handle: (call) => save(deps, call, namesOf(call)) },
    { method: 'GET', path: '/images/search', handle: () => refuse('searching a registry is not supported') },
    { method: 'GET', path: '/images/:name*/json', handle: (call) => inspect(deps, call) },
    {
      method: 'GET',
      path: '/images/:name*/history',
      handle: async (call) =>
        ok((await images.history(name(call), { platform: platformObject(call) })).map(encodeHistory)),
    },
    { method: 'GET', path: '/images/:name*/get', handle: (call) => save(deps, call, [name(call)]) },
    {
      method: 'POST',
      path: '/images/:name*/tag',
      handle: async (call) => {
        await images.tag(name(call), call.query.get('repo') ?? '', textOf(call.query, 'tag'));
        return { status: 201 };
      },
    },
    { method: 'POST', path: '/images/:name*/push', handle: (call) => push(deps, call) },
    {
      method: 'DELETE',
      path: '/images/:name*',
      handle: async (call) =>
        ok(
          await images.remove(name(call), {
            force: boolOf(call.query, 'force'),
            noPrune: boolOf(call.query, 'noprune'),
            platforms: call.query.getAll('platforms').map(parsePlatformText),
          }),
        ),
    },
  ];
}

function refuse(message: string): never {
  throw new FairwayError(message, { code: 'not_supported', kind: 'unsupported' });
}

/** `names=a&names=b` and `names=a,b`. */
function namesOf(call: Call): string[] {
  return call.query.getAll('names').flatMap((value) => value.split(',').filter((one) => one !== ''));
}

function imageFilters(filters: Filters, nowMs: number): ImageFilters {
  const dangling = boolFilter(filters, 'dangling');
  const [until] = filters.until ?? [];
  return {
    ...(filters.reference ? { reference: filters.reference } : {}),
    ...(filters.label ? { label: filters.label } : {}),
    ...(filters['label!'] ? { notLabel: filters['label!'] } : {}),
    ...(filters.before ? { before: filters.before } : {}),
    ...(filters.since ? { since: filters.since } : {}),
    ...(dangling === undefined ? {} : { dangling }),
    ...(until === undefined ? {} : { until: Number(timeOf(until, nowMs) / 1_000_000n) }),
  };
}

async function list({ images, clock = systemClock }: Deps, call: Call): Promise<Answer> {
  const filters = filtersOf(call.query, ['before', 'dangling', 'label', 'reference', 'since', 'until']);
  // Before there was the filter, `filter=name` did the work of `reference`.
  const legacy = call.version < 41 ? textOf(call.query, 'filter') : undefined;
  const asked = legacy === undefined ? filters : { ...filters, reference: [legacy] };
  const found = await images.list(imageFilters(asked, clock.now()));
  return ok(found.map((summary) => encodeImageSummary(summary, call.version)));
}

async function inspect({ images, facts }: Deps, call: Call): Promise<Answer> {
  const [summary, { storageDriver }] = await Promise.all([
    images.inspect(call.params.name ?? '', { platform: platformObject(call) }),
    facts(),
  ]);
  return ok(encodeImage(summary, { version: call.version, storageDriver }));
}

async function save({ images }: Deps, call: Call, names: readonly string[]): Promise<Answer> {
  if (names.length === 0) throw invalid('no_images', 'no images to save: the parameter "names" is empty');
  return {
    status: 200,
    headers: { 'Content-Type': 'application/x-tar' },
    body: await images.save(names, { platform: platformObject(call) }),
  };
}

/**
 * Runs work that tells its progress line by line. The answer begins with the first line, so that what fails before it has
 * a status; what fails later is the last line.
 */
async function progressing(
  call: Call,
  work: (progress: (message: ProgressMessage) => void) => Promise<readonly ProgressMessage[]>,
): Promise<undefined> {
  let reply: ReplyStream | undefined;
  let sent = Promise.resolve();
  const progress = (message: ProgressMessage): void => {
    reply ??= call.stream('application/json');
    sent = reply.json(message);
  };
  try {
    for (const message of await work(progress)) progress(message);
    reply ??= call.stream('application/json');
  } catch (error) {
    if (!reply) throw error;
    const { message } = wireError(error);
    await reply.json({ errorDetail: { message }, error: message });
  }
  await sent;
}

/** The body, which stays open when reading it ends early: the answer goes out on the same connection. */
function archiveOf(call: Call): AsyncIterable<Uint8Array> {
  return call.body.iterator({ destroyOnReturn: false });
}

function load({ images }: Deps, call: Call): Promise<undefined> {
  return progressing(call, async (progress) => {
    const quiet = boolOf(call.query, 'quiet');
    const platform = platformObject(call);
    await images.load(archiveOf(call), { progress, quiet, platform, signal: call.signal });
    return [];
  });
}

function create(deps: Deps, call: Call): Promise<undefined> {
  const from = textOf(call.query, 'fromImage');
  if (from !== undefined) return pull(deps, call, from);
  const source = textOf(call.query, 'fromSrc');
  if (source === undefined) throw invalid('no_source', 'bad parameter: fromImage or fromSrc must be given');
  return importFrom(deps, call, source);
}

function importFrom({ images }: Deps, call: Call, source: string): Promise<undefined> {
  if (source !== '-') refuse(`cannot import "${source}": fetch the archive and import it from standard input`);
  const { query } = call;
  return progressing(call, async () => {
    const id = await images.import(archiveOf(call), {
      repo: textOf(query, 'repo'),
      tag: textOf(query, 'tag'),
      message: textOf(query, 'message'),
      changes: query.getAll('changes'),
      platform: platformOf(textOf(query, 'platform')),
      signal: call.signal,
    });
    return [{ status: id }];
  });
}

/** The newer parameters are JSON: `{"os":"linux","architecture":"arm64","variant":"v8"}`. */
function platformObject(call: Call): Platform | undefined {
  const text = textOf(call.query, 'platform');
  return text === undefined ? undefined : parsePlatformText(text);
}

function parsePlatformText(text: string): Platform {
  if (!text.startsWith('{')) return parsePlatform(text);
  try {
    const { os, architecture, variant } = JSON.parse(text) as Record<string, unknown>;
    if (typeof os === 'string' && typeof architecture === 'string') {
      return parsePlatform([os, architecture, ...(typeof variant === 'string' && variant ? [variant] : [])].join('/'));
    }
  } catch (error) {
    if (error instanceof FairwayError) throw error;
  }
  throw invalid('invalid_platform', `invalid platform ${JSON.stringify(text)}: it must have "os" and "architecture"`);
}

function platformOf(text: string | undefined) {
  if (text === undefined) return undefined;
  const [os = '', architecture = '', variant] = text.split('/');
  if (os === '' || architecture === '') {
    throw invalid('invalid_platform', `invalid platform ${JSON.stringify(text)}: it must be os/architecture[/variant]`);
  }
  return { os, architecture, variant };
}

/** `X-Registry-Auth`: JSON in base64, with either alphabet. */
export function authOf(call: Call): RegistryAuth | undefined {
  const header = call.headers['x-registry-auth'];
  if (typeof header !== 'string' || header === '') return undefined;
  try {
    const decoded: unknown = JSON.parse(Buffer.from(header, 'base64').toString('utf8'));
    return registryAuth(decoded);
  } catch {
    throw invalid('invalid_auth', 'invalid X-Registry-Auth header: it is not JSON in base64');
  }
}

export function registryAuth(value: unknown): RegistryAuth {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const text = <K extends string>(key: K, wire: string): { [key in K]?: string } => {
    const found = fields[wire];
    return typeof found === 'string' && found !== '' ? ({ [key]: found } as { [key in K]?: string }) : {};
  };
  return {
    ...text('username', 'username'),
    ...text('password', 'password'),
    ...text('serverAddress', 'serveraddress'),
    ...text('identityToken', 'identitytoken'),
    ...text('registryToken', 'registrytoken'),
  };
}

function referenceOf(name: string, tag: string | undefined): string {
  if (tag === undefined) return name;
  return tag.includes(':') ? `${name}@${tag}` : `${name}:${tag}`;
}

function pull({ registry }: Deps, call: Call, from: string): Promise<undefined> {
  const reference = referenceOf(from, textOf(call.query, 'tag'));
  if (!registry) {
    refuse(
      `cannot pull "${reference}": no registry is configured; bring the image here with "docker load" or "docker import"`,
    );
  }
  const auth = authOf(call);
  const platform = textOf(call.query, 'platform');
  return progressing(call, async (progress) => {
    await registry.pull(reference, {
      ...(platform === undefined ? {} : { platform }),
      // Without a tag, Docker's API means all of them; clients that mean one say "latest".
      ...(/[:@]/.test(reference.slice(reference.lastIndexOf('/') + 1)) ? {} : { allTags: true }),
      ...(auth ? { auth } : {}),
      progress,
      signal: call.signal,
    });
    return [];
  });
}

async function push({ registry }: Deps, call: Call): Promise<undefined> {
  const reference = referenceOf(call.params.name ?? '', textOf(call.query, 'tag'));
  const send = registry?.push?.bind(registry);
  if (!send) refuse(`cannot push "${reference}": pushing to a registry is not supported; use "docker save"`);
  const auth = authOf(call);
  return progressing(call, async (progress) => {
    const platform = platformObject(call);
    await send(reference, {
      ...(auth ? { auth } : {}),
      ...(platform ? { platform: platformText(platform) } : {}),
      progress,
      signal: call.signal,
    });
    return [];
  });
}

async function prune({ images, clock = systemClock }: Deps, call: Call): Promise<Answer> {
  const filters = filtersOf(call.query, ['dangling', 'label', 'label!', 'until']);
  const { dangling, ...rest } = imageFilters(filters, clock.now());
  const { removed, reclaimed } = await images.prune({ all: dangling === false, filters: rest });
  return ok({ ImagesDeleted: removed.length > 0 ? removed : null, SpaceReclaimed: reclaimed });
}
