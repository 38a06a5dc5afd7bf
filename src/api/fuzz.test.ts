import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type * as v from 'valibot';
import { send, startFakeEngine } from './testing/index.ts';
import {
  ConnectBody,
  CreateBody,
  DisconnectBody,
  ExecBody,
  ExecStartBody,
  NetworkCreateBody,
  UpdateBody,
  VolumeCreateBody,
} from './wire/index.ts';

// FAIRWAY_SEED and FAIRWAY_RUNS repeat a run, or make it longer.
const SEED = Number(process.env.FAIRWAY_SEED ?? 20_260_101);
const RUNS = Number(process.env.FAIRWAY_RUNS ?? 60);

type Fake = Awaited<ReturnType<typeof startFakeEngine>>;

let fake: Fake;
before(async () => {
  fake = await startFakeEngine();
});
after(() => fake.close());

/** What programs get wrong: numbers out of range, words of other grammars, nothing, too much. */
const strange: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    ...[
      '',
      ' ',
      '../../etc',
      '/',
      '0',
      '-1',
      '1e400',
      '\u0000',
      '80/tcp',
      '80-70/udp',
      '[::1]:80',
      '10.0.0.0/33',
      'a=b',
    ],
    ...['container:', 'host', 'none', 'default', '9'.repeat(40), 'é', '💥', '{{', '%s', 'true'],
  ),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Values of the schema's shape, with something strange in place of a part now and then. */
function shaped(schema: v.GenericSchema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: fitting(schema) }, { weight: 1, arbitrary: strange });
}

function fitting(schema: v.GenericSchema): fc.Arbitrary<unknown> {
  // Valibot's schemas say what they are in members of their own.
  const { type, entries, item, value, wrapped, options, pipe } = schema as unknown as {
    readonly type: string;
    readonly entries?: Readonly<Record<string, v.GenericSchema>>;
    readonly item?: v.GenericSchema;
    readonly value?: v.GenericSchema;
    readonly wrapped?: v.GenericSchema;
    readonly options?: readonly unknown[];
    readonly pipe?: readonly v.GenericSchema[];
  };
  const [first] = pipe ?? [];
  if (first !== undefined && first !== schema && first.type !== type) return fitting(first);
  switch (type) {
    case 'object':
    case 'loose_object': {
      const members = Object.entries(entries ?? {}).map(([name, member]) => [name, shaped(member)] as const);
      // A few of them: with all, none would ever be right.
      return fc
        .subarray(members, { maxLength: Math.min(4, members.length) })
        .chain((chosen) => fc.record(Object.fromEntries(chosen), { requiredKeys: [] }));
    }
    case 'array':
      return fc.array(shaped(item as v.GenericSchema), { maxLength: 3 });
    case 'record':
      return fc.dictionary(
        fc.oneof(fc.string(), fc.constantFrom('80/tcp', 'net', 'a.b')),
        shaped(value as v.GenericSchema),
        {
          maxKeys: 3,
        },
      );
    case 'nullish':
    case 'optional':
    case 'nullable':
      return fc.option(shaped(wrapped as v.GenericSchema));
    case 'union':
      return fc.oneof(...(options as readonly v.GenericSchema[]).map(fitting));
    case 'picklist':
      return fc.constantFrom(...(options ?? ['']));
    case 'string':
      return fc.oneof(fc.string({ maxLength: 20 }), strange);
    case 'number':
      return fc.oneof(fc.integer(), fc.double());
    case 'boolean':
      return fc.boolean();
    default:
      return strange;
  }
}

const CALLS: readonly (readonly [string, v.GenericSchema])[] = [
  ['/containers/create', CreateBody],
  ['/containers/box/update', UpdateBody],
  ['/containers/box/exec', ExecBody],
  ['/exec/abc/start', ExecStartBody],
  ['/networks/create', NetworkCreateBody],
  ['/networks/net/connect', ConnectBody],
  ['/networks/net/disconnect', DisconnectBody],
  ['/volumes/create', VolumeCreateBody],
];

for (const [path, schema] of CALLS) {
  test(`POST ${path} answers whatever it is sent, and never fails by itself`, async () => {
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(
        fc.option(fc.constantFrom('Image', 'Name', 'Container', 'Cmd')),
        shaped(schema),
        async (key, body) => {
          const whole =
            key !== null && typeof body === 'object' && body !== null ? { [key]: 'busybox', ...body } : body;
          const { status, json } = await send(fake.socketPath, 'POST', path, { body: JSON.stringify(whole) });
          seen.add(status);
          assert.ok(status < 500 || status === 501, `${status} ${JSON.stringify(json)}`);
          if (status >= 400) assert.equal(typeof (json as { message?: unknown }).message, 'string');
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
    // Else it would show nothing but that nonsense is refused.
    if (path.endsWith('/create')) assert.ok(seen.has(201), [...seen].join(' '));
    assert.ok(seen.has(400), [...seen].join(' '));
  });
}

test('bytes that are no JSON, and paths and queries that are no names, are refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.string(), fc.uint8Array({ maxLength: 200 }), async (name, query, bytes) => {
      const path = `/containers/${encodeURIComponent(name)}/json?filters=${encodeURIComponent(query)}&all=${encodeURIComponent(query)}`;
      const got = await send(fake.socketPath, 'GET', path);
      assert.ok(got.status < 500, `${got.status} ${got.text}`);
      const list = await send(fake.socketPath, 'GET', `/containers/json?filters=${encodeURIComponent(query)}`);
      assert.ok(list.status < 500, `${list.status} ${list.text}`);
      const posted = await send(fake.socketPath, 'POST', '/networks/create', { body: Buffer.from(bytes) });
      assert.ok(posted.status < 500 && posted.status !== 201, `${posted.status} ${posted.text}`);
    }),
    { seed: SEED, numRuns: RUNS },
  );
});
