import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, commandLines, type Engine, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  await engine.docker('network', 'create', '--subnet', '10.50.0.0/24', 'taken');
  await engine.docker(
    'run',
    '-d',
    '--name',
    'box',
    '--network',
    'taken',
    '--ip',
    '10.50.0.9',
    'busybox',
    'sleep',
    '600',
  );
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

interface Refusal {
  readonly args: readonly string[];
  readonly says: RegExp;
  readonly code?: number;
}

const REFUSALS: readonly Refusal[] = [
  { args: ['network', 'create', 'taken'], says: /network with name taken already exists/ },
  {
    args: ['network', 'create', '--subnet', '10.50.0.0/16', 'x'],
    says: /invalid pool request: Pool overlaps with other one on this address space/,
  },
  {
    args: ['network', 'create', '--subnet', '10.60.0.1/24', 'x'],
    says: /invalid subnet 10\.60\.0\.1\/24: it should be 10\.60\.0\.0\/24/,
  },
  {
    args: ['network', 'create', '--subnet', '10.60.0.0/24', '--gateway', '10.61.0.1', 'x'],
    says: /no matching subnet for gateway 10\.61\.0\.1|invalid gateway 10\.61\.0\.1: parent subnet 10\.60\.0\.0\/24 doesn't contain this address/,
  },
  {
    args: ['network', 'create', '--subnet', '10.60.0.0/24', '--ip-range', '10.61.0.0/25', 'x'],
    says: /no matching subnet for range 10\.61\.0\.0\/25|invalid ip-range 10\.61\.0\.0\/25: parent subnet 10\.60\.0\.0\/24 doesn't contain ip-range/,
  },
  {
    args: ['network', 'create', '-d', 'nonsense', 'x'],
    says: /plugin "nonsense" not found|could not find plugin nonsense|driver "nonsense"/,
  },
  { args: ['network', 'create', '-d', 'null', 'x'], says: /only one instance of "null" network is allowed/ },
  { args: ['network', 'create', '-d', 'host', 'x'], says: /only one instance of "host" network is allowed/ },
  { args: ['network', 'create', '../../x'], says: /invalid|Invalid/ },
  {
    args: ['network', 'create', '-o', 'com.docker.network.bridge.enable_icc=perhaps', 'x'],
    says: /enable_icc.*perhaps|perhaps.*enable_icc/,
  },
  { args: ['network', 'rm', 'nowhere'], says: /network nowhere not found|No such network: nowhere/ },
  { args: ['network', 'rm', 'bridge'], says: /bridge is a pre-defined network and cannot be removed/ },
  { args: ['network', 'rm', 'taken'], says: /network taken has active endpoints/ },
  { args: ['network', 'connect', 'nowhere', 'box'], says: /network nowhere not found/ },
  { args: ['network', 'connect', 'bridge', 'nobody'], says: /No such container: nobody/ },
  { args: ['network', 'connect', 'taken', 'box'], says: /endpoint with name box already exists in network taken/ },
  { args: ['network', 'disconnect', 'bridge', 'box'], says: /is not connected to/ },
  { args: ['run', '--network', 'nowhere', 'busybox'], says: /network nowhere not found/, code: 125 },
  { args: ['run', '--network', 'taken', '--ip', '10.50.0.9', 'busybox'], says: /Address already in use/, code: 125 },
  {
    args: ['run', '--network', 'taken', '--ip', '10.99.9.9', 'busybox'],
    says: /no configured subnet contains IP address 10\.99\.9\.9/,
    code: 125,
  },
  {
    args: ['run', '--network', 'bridge', '--ip', '172.17.0.9', 'busybox'],
    says: /user[ -]specified IP address is supported on user[ -]defined networks only/,
    code: 125,
  },
  {
    args: ['run', '--name', 'box', 'busybox'],
    says: /Conflict\. The container name "\/box" is already in use by container/,
    code: 125,
  },
  { args: ['run', '--name', '../box', 'busybox'], says: /Invalid container name \(\.\.\/box\)/, code: 125 },
  { args: ['run', 'no-such-image'], says: /no-such-image/, code: 125 },
  {
    args: ['run', 'busybox', 'no-such-program'],
    says: /exec: "no-such-program": executable file not found in \$PATH/,
    code: 127,
  },
  { args: ['run', 'busybox', '/etc'], says: /permission denied|is a directory/, code: 126 },
  {
    args: ['run', '-w', 'relative', 'busybox'],
    says: /the working directory 'relative' is invalid, it needs to be an absolute path/,
    code: 125,
  },
  { args: ['run', '-v', '/:..', 'busybox'], says: /invalid (volume|mount)/, code: 125 },
  { args: ['exec', 'nobody', 'true'], says: /No such container: nobody/ },
  { args: ['logs', 'nobody'], says: /No such container: nobody/ },
  { args: ['start', 'nobody'], says: /No such container: nobody/ },
  { args: ['rm', 'box'], says: /cannot remove container|You cannot remove a running container/ },
  { args: ['kill', '-s', 'NONSENSE', 'box'], says: /[Ii]nvalid signal: NONSENSE/ },
  { args: ['rmi', 'no-such-image'], says: /No such image: no-such-image/ },
  {
    args: ['rmi', 'busybox'],
    says: /conflict: unable to remove repository reference "busybox"|is using its referenced image/,
  },
  { args: ['tag', 'busybox', 'UPPER'], says: /invalid reference format|must be lowercase|not a valid repository\/tag/ },
];

describe('bad input changes nothing', () => {
  for (const { args, says, code } of REFUSALS) {
    test(`${args.join(' ')} is refused by every client in clear words`, async () => {
      for (const client of commandLines(engine)) {
        const result = await client.run(args);
        assert.match(result.stderr, says, client.name);
        assert.equal(result.code, code ?? 1, `${client.name}: ${result.stderr}`);
      }
      await removeCreated();
      await assertUnchanged(engine.host, clean);
    });
  }

  test('bodies that are not JSON, too large, or of another shape get a 4xx with a message', async () => {
    const cases: readonly [string, string | Buffer, number, RegExp][] = [
      ['/networks/create', '{"Name": ', 400, /./],
      ['/networks/create', '[]', 400, /./],
      ['/networks/create', '{"Name": 5}', 400, /Name/],
      ['/networks/create', '{}', 400, /[Nn]ame/],
      [
        '/containers/create',
        '{"Image": "busybox", "HostConfig": {"PortBindings": {"x/tcp": []}}}',
        400,
        /invalid port|x\/tcp/,
      ],
      [
        '/containers/create',
        '{"Image": "busybox", "HostConfig": {"RestartPolicy": {"Name": "sometimes"}}}',
        400,
        /sometimes/,
      ],
      ['/networks/create', Buffer.alloc(20_000_000, 0x20), 413, /large|exceed/],
    ];
    for (const [path, body, status, says] of cases) {
      const answer = await post(`/v1.41${path}`, body);
      assert.equal(answer.status, status, `${path}: ${answer.body}`);
      assert.match((JSON.parse(answer.body) as { message: string }).message, says);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('versions that are too old or too new, and unknown paths, are named', async () => {
    assert.deepEqual(await get('/v1.10/info'), {
      status: 400,
      body: '{"message":"client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"}\n',
    });
    assert.equal((await get('/v1.99/info')).status, 400);
    const missing = await get('/v1.41/nonsense');
    assert.equal(missing.status, 404);
    assert.match(missing.body, /page not found/);
  });
});

/** Containers that a refused `run` leaves in state created, as Docker does. */
async function removeCreated(): Promise<void> {
  const created = await engine.docker('ps', '-aq', '--filter', 'status=created', '--filter', 'status=exited');
  if (created !== '') await engine.docker('rm', ...created.split('\n'));
}

function get(path: string): Promise<{ status: number; body: string }> {
  return call('GET', path);
}

function post(path: string, body: string | Buffer): Promise<{ status: number; body: string }> {
  return call('POST', path, body);
}

function call(method: string, path: string, body?: string | Buffer): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers =
      body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const sent = request({ socketPath: engine.daemon.socket, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    // A refused large body may be cut off while we still send; the answer has been read by then or it has not.
    sent.on('error', (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? undefined : reject(error)));
    sent.end(body);
  });
}
