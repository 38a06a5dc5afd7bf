import { systemClock } from '../../base/index.ts';
import type { EngineEvent } from '../../model/index.ts';
import type { ApiDeps } from '../deps.ts';
import { encodeEvent } from '../encode/index.ts';
import { type Call, type Filters, filtersOf, hasLabels, type Route, textOf, timeOf } from '../http/index.ts';

type Deps = Pick<ApiDeps, 'events' | 'clock'>;

const OBJECTS = ['container', 'daemon', 'image', 'network', 'volume'] as const;
const KNOWN = [...OBJECTS, 'config', 'event', 'label', 'node', 'plugin', 'scope', 'secret', 'service', 'type'];

export function eventRoutes(deps: Deps): Route[] {
  return [{ method: 'GET', path: '/events', handle: (call) => events(deps, call) }];
}

async function events({ events: source, clock = systemClock }: Deps, call: Call): Promise<undefined> {
  const time = (key: string): bigint | undefined => {
    const text = textOf(call.query, key);
    return text === undefined ? undefined : timeOf(text, clock.now());
  };
  const since = time('since');
  const until = time('until');
  const filters = filtersOf(call.query, KNOWN);
  const reply = call.stream('application/json');
  const wanted = (event: EngineEvent): boolean =>
    passes(event, filters) &&
    (since === undefined || event.timeNanos >= since) &&
    (until === undefined || event.timeNanos <= until);
  const nowNanos = BigInt(clock.now()) * 1_000_000n;
  const past = since !== undefined || until !== undefined ? source.between(since, until).filter(wanted) : [];
  // Subscribed before the first await: nothing can fall between history and stream.
  const live =
    until !== undefined && until <= nowNanos ? undefined : subscribe(source, wanted, reply.write.bind(reply));
  for (const event of past) await reply.write(encodeEvent(event));
  if (!live) return;
  live.flow();
  const remaining = until === undefined ? undefined : Number((until - nowNanos) / 1_000_000n);
  await over(call.signal, clock, remaining);
  live.stop();
}

/** How many events wait for a client that does not read before it is no longer served. */
const QUEUE_LIMIT = 10_000;

function subscribe(
  source: ApiDeps['events'],
  wanted: (event: EngineEvent) => boolean,
  write: (line: string) => Promise<void>,
): { flow(): void; stop(): void } {
  const queue: EngineEvent[] = [];
  let flowing = false;
  const drain = async (): Promise<void> => {
    if (flowing) return;
    flowing = true;
    for (let event = queue.shift(); event; event = queue.shift()) await write(encodeEvent(event));
    flowing = false;
  };
  let open = false;
  const stop = source.subscribe((event) => {
    if (!wanted(event)) return;
    if (queue.length >= QUEUE_LIMIT) return;
    queue.push(event);
    if (open) void drain();
  });
  return {
    flow: () => {
      open = true;
      void drain();
    },
    stop,
  };
}

function over(signal: AbortSignal, clock: NonNullable<Deps['clock']>, millis: number | undefined): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = millis === undefined ? () => {} : clock.after(millis, resolve);
    signal.addEventListener(
      'abort',
      () => {
        cancel();
        resolve();
      },
      { once: true },
    );
  });
}

function passes(event: EngineEvent, filters: Filters): boolean {
  const { type, action, attributes, scope } = event;
  const some = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters[key];
    return values === undefined || values.length === 0 || values.some(test);
  };
  return (
    some('type', (value) => value === type) &&
    some('scope', (value) => value === scope) &&
    // `exec_create` means every `exec_create: …`
    some('event', (value) => action === value || action.startsWith(`${value}:`)) &&
    hasLabels(attributes, filters.label) &&
    OBJECTS.every((object) => some(object, (value) => concerns(event, object, value))) &&
    ['config', 'node', 'plugin', 'secret', 'service'].every((object) => some(object, () => false))
  );
}

function concerns({ type, id, attributes }: EngineEvent, object: string, value: string): boolean {
  if (object === 'image' && type === 'container') return sameImage(attributes.image, value);
  if (type !== object) return false;
  if (id === value || attributes.name === value) return true;
  if (object === 'image') return id === `sha256:${value}` || sameImage(attributes.name, value) || sameImage(id, value);
  return object !== 'volume' && value !== '' && id.startsWith(value);
}

function sameImage(name: string | undefined, value: string): boolean {
  return name !== undefined && (name === value || name.replace(/:[^:/]*$/, '') === value);
}
