import { invalid, systemClock } from '../../base/index.ts';
import type { LogQuery, StatsSample, WaitCondition } from '../../containers/contract.ts';
import type { ApiDeps } from '../deps.ts';
import { encodeStats } from '../encode/index.ts';
import {
  type Answer,
  boolOf,
  type Call,
  frame,
  type Hijack,
  intOf,
  type Route,
  STREAM_STDERR,
  STREAM_STDOUT,
  textOf,
  timeOf,
} from '../http/index.ts';

type Deps = Pick<ApiDeps, 'containers' | 'statistics' | 'clock'>;

/** First version that tells framed streams from raw ones by their media type. */
const MULTIPLEXED_SINCE = 42;

/** What of a container lasts: attach, logs, wait, stats. */
export function streamRoutes(deps: Deps): Route[] {
  return [
    { method: 'POST', path: '/containers/:id/attach', hijack: (call) => attach(deps, call) },
    { method: 'GET', path: '/containers/:id/attach/ws', hijack: (call) => attach(deps, call), websocket: true },
    { method: 'POST', path: '/containers/:id/resize', handle: (call) => resize(deps, call) },
    { method: 'GET', path: '/containers/:id/logs', handle: (call) => logs(deps, call) },
    { method: 'POST', path: '/containers/:id/wait', handle: (call) => wait(deps, call) },
    { method: 'GET', path: '/containers/:id/stats', handle: (call) => stats(deps, call) },
  ];
}

async function attach({ containers }: Deps, call: Call): Promise<Hijack> {
  const { query } = call;
  const detachKeys = textOf(query, 'detachKeys');
  const session = await containers.attach(call.params.id ?? '', {
    stdin: boolOf(query, 'stdin'),
    stdout: boolOf(query, 'stdout'),
    stderr: boolOf(query, 'stderr'),
    logs: boolOf(query, 'logs'),
    stream: boolOf(query, 'stream'),
    ...(detachKeys === undefined ? {} : { detachKeys }),
  });
  return { session, multiplexedType: call.version >= MULTIPLEXED_SINCE };
}

export function sizeOf(call: Call): { readonly width: number; readonly height: number } {
  const height = intOf(call.query, 'h');
  const width = intOf(call.query, 'w');
  if (height === undefined || width === undefined || height < 0 || width < 0) {
    throw invalid(
      'invalid_size',
      `invalid terminal size: h=${call.query.get('h') ?? ''} w=${call.query.get('w') ?? ''}, both must be numbers`,
    );
  }
  return { width, height };
}

async function resize({ containers }: Deps, call: Call): Promise<Answer> {
  await containers.resize(call.params.id ?? '', sizeOf(call));
  return { status: 200 };
}

function logQuery({ query }: Call, nowMs: number): LogQuery {
  const stdout = boolOf(query, 'stdout');
  const stderr = boolOf(query, 'stderr');
  if (!stdout && !stderr) throw invalid('no_stream', 'Bad parameters: you must choose at least one stream');
  const time = (key: string): bigint | undefined => {
    const text = textOf(query, key);
    if (text === undefined) return undefined;
    const nanos = timeOf(text, nowMs);
    return nanos === 0n ? undefined : nanos;
  };
  const since = time('since');
  const until = time('until');
  const tail = textOf(query, 'tail') ?? 'all';
  // Docker reads whatever is no number as everything.
  const lines = /^\d+$/.test(tail) ? Number(tail) : undefined;
  return {
    stdout,
    stderr,
    follow: boolOf(query, 'follow'),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(lines === undefined ? {} : { tail: lines }),
  };
}

async function logs({ containers, clock = systemClock }: Deps, call: Call): Promise<undefined> {
  const ref = call.params.id ?? '';
  const query = logQuery(call, clock.now());
  const stamped = boolOf(call.query, 'timestamps');
  const detailed = boolOf(call.query, 'details');
  const { tty } = (await containers.inspect(ref)).spec.process;
  const lines = await containers.logs(ref, query, call.signal);
  const framed = !tty && call.version >= MULTIPLEXED_SINCE;
  const reply = call.stream(`application/vnd.docker.${framed ? 'multiplexed' : 'raw'}-stream`);
  try {
    for await (const { stream, time, data, attributes } of lines) {
      if (call.signal.aborted) break;
      const head = `${stamped ? `${time} ` : ''}${detailed ? `${detailsOf(attributes)} ` : ''}`;
      const payload = head === '' ? data : Buffer.concat([Buffer.from(head), data]);
      await reply.write(tty ? payload : frame(stream === 'stdout' ? STREAM_STDOUT : STREAM_STDERR, payload));
    }
  } catch (error) {
    if (!call.signal.aborted) throw error;
  }
}

/** `a=1,b=2`, escaped as in an address. */
function detailsOf(attributes: Readonly<Record<string, string>> = {}): string {
  return Object.entries(attributes)
    .map((pair) => pair.map((part) => new URLSearchParams([['', part]]).toString().slice(1)).join('='))
    .join(',');
}

const CONDITIONS: readonly WaitCondition[] = ['not-running', 'next-exit', 'removed'];

async function wait({ containers }: Deps, call: Call): Promise<undefined> {
  const wanted = textOf(call.query, 'condition') ?? 'not-running';
  const condition = CONDITIONS.find((one) => one === wanted);
  if (condition === undefined) throw invalid('invalid_condition', `invalid condition: ${JSON.stringify(wanted)}`);
  const { exit } = await containers.wait(call.params.id ?? '', condition, call.signal);
  // `docker run` sends start only after it has seen these headers.
  const reply = call.stream('application/json');
  try {
    const { exitCode, error } = await exit;
    await reply.json({ StatusCode: exitCode, ...(error ? { Error: { Message: error } } : {}) });
  } catch (error) {
    if (!call.signal.aborted) throw error;
  }
}

const STATS_EVERY_MS = 1000;

async function stats({ statistics, clock = systemClock }: Deps, call: Call): Promise<undefined> {
  const ref = call.params.id ?? '';
  const stream = boolOf(call.query, 'stream', true);
  const oneShot = boolOf(call.query, 'one-shot');
  let { view, sample } = await statistics.sample(ref);
  let previous: StatsSample | undefined;
  const reply = call.stream('application/json');
  // A single answer still carries two samples, unless one is enough, so that a rate can be told.
  if (!stream && !oneShot && sample) {
    previous = sample;
    await pause(clock, call.signal);
    ({ view, sample } = await statistics.sample(ref));
  }
  await reply.json(encodeStats(view, sample, previous));
  while (stream && !call.signal.aborted) {
    previous = sample;
    await pause(clock, call.signal);
    if (call.signal.aborted) break;
    try {
      ({ view, sample } = await statistics.sample(ref));
    } catch {
      // The container was removed.
      break;
    }
    await reply.json(encodeStats(view, sample, previous));
  }
}

function pause(clock: NonNullable<Deps['clock']>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = clock.after(STATS_EVERY_MS, () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
    const stop = (): void => {
      cancel();
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}
