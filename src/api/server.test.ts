import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { send, startFakeEngine, type TestRequest } from './testing/index.ts';

type Fake = Awaited<ReturnType<typeof startFakeEngine>>;

let fake: Fake;
before(async () => {
  fake = await startFakeEngine();
});
after(() => fake.close());

const call = (method: string, path: string, request?: TestRequest) => send(fake.socketPath, method, path, request);
const create = (body: Readonly<Record<string, unknown>>, query = '') =>
  call('POST', `/containers/create${query}`, { body: { Image: 'busybox', ...body } });

test('ping answers GET and HEAD with what clients negotiate by', async () => {
  for (const method of ['GET', 'HEAD']) {
    const { status, text, headers } = await call(method, '/_ping');
    assert.equal(status, 200);
    assert.equal(text, method === 'GET' ? 'OK' : '');
    assert.equal(headers['api-version'], '1.51');
    assert.equal(headers.ostype, 'linux');
    assert.equal(headers['docker-experimental'], 'false');
    assert.equal(headers.swarm, 'inactive');
    assert.equal(headers['cache-control'], 'no-cache, no-store, must-revalidate');
    assert.equal(headers.pragma, 'no-cache');
    assert.match(String(headers.server), /^Fairway\/0\.1\.0 \(linux\)$/);
  }
});

test('every version from the oldest to the newest is served, with and without a slash at the end', async () => {
  for (const prefix of ['', '/v1.24', '/v1.41', '/v1.51']) {
    assert.equal((await call('GET', `${prefix}/networks/`)).status, 200, prefix);
  }
  const { json } = await call('GET', '/version');
  assert.equal((json as { ApiVersion: string }).ApiVersion, '1.51');
  assert.equal((json as { MinAPIVersion: string }).MinAPIVersion, '1.24');
});

interface Refusal {
  readonly request: readonly [method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>];
  readonly status: number;
  readonly message: string | RegExp;
}

const container = (body: unknown): Refusal['request'] => [
  'POST',
  '/containers/create',
  { Image: 'busybox', ...(body as object) },
];
const host = (HostConfig: unknown, rest: object = {}): Refusal['request'] => container({ HostConfig, ...rest });

const REFUSALS: readonly Refusal[] = [
  {
    request: ['GET', '/v1.23/info'],
    status: 400,
    message:
      'client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
  },
  {
    request: ['GET', '/v1.52/info'],
    status: 400,
    message: 'client version 1.52 is too new. Maximum supported API version is 1.51',
  },
  { request: ['GET', '/v1.41/nonsense'], status: 404, message: 'page not found' },
  { request: ['GET', '/containers/create'], status: 405, message: /GET is not allowed/ },
  { request: ['GET', '/networks/%zz'], status: 400, message: /invalid URL escape/ },
  { request: ['POST', '/networks/create', '{"Name": '], status: 400, message: /^invalid JSON: / },
  {
    request: ['POST', '/networks/create', ''],
    status: 400,
    message: 'invalid JSON: got EOF while reading request body',
  },
  { request: ['POST', '/networks/create', '[]'], status: 400, message: /name/ },
  { request: ['POST', '/networks/create', '{"Name": 5}'], status: 400, message: /field "Name" has the value 5/ },
  {
    request: ['POST', '/networks/create', '{}', { 'Content-Type': 'text/plain' }],
    status: 400,
    message: "unsupported Content-Type header (text/plain): must be 'application/json'",
  },
  { request: ['POST', '/networks/create', ' '.repeat(9_000_000)], status: 413, message: /too large/ },
  {
    request: ['POST', '/networks/create', { Name: 'x', IPAM: { Config: [{ Subnet: '10.0.0.0/40' }] } }],
    status: 400,
    message: 'invalid network config:\ninvalid subnet 10.0.0.0/40: invalid CIDR block notation',
  },
  { request: ['POST', '/networks/create', { Name: 'x', Scope: 'moon' }], status: 400, message: /"moon"/ },
  {
    request: ['POST', '/networks/create', { Name: 'bridge' }],
    status: 409,
    message: 'network with name bridge already exists',
  },
  {
    request: ['DELETE', '/networks/bridge'],
    status: 403,
    message: 'bridge is a pre-defined network and cannot be removed',
  },
  { request: ['GET', '/networks/nowhere'], status: 404, message: 'network nowhere not found' },
  { request: ['GET', '/networks?filters={"type":["odd"]}'], status: 400, message: "invalid filter: 'type'='odd'" },
  { request: ['GET', '/networks?filters={"colour":["red"]}'], status: 400, message: "invalid filter 'colour'" },
  { request: ['GET', '/networks?filters=red'], status: 400, message: 'invalid filter: red' },
  { request: ['POST', '/networks/bridge/connect', {}], status: 400, message: 'invalid name or ID supplied: ""' },
  {
    request: ['POST', '/networks/nowhere/connect', { Container: 'present' }],
    status: 404,
    message: 'network nowhere not found',
  },
  {
    request: [
      'POST',
      '/networks/bridge/connect',
      { Container: 'present', EndpointConfig: { IPAMConfig: { IPv4Address: 'x' } } },
    ],
    status: 400,
    message: 'invalid IPv4 address: x',
  },
  {
    request: ['POST', '/containers/create', ''],
    status: 400,
    message: 'config cannot be empty in order to create a container',
  },
  { request: container({ Image: 'missing' }), status: 404, message: 'No such image: missing:latest' },
  { request: container({ Tty: 'yes' }), status: 400, message: /field "Tty" has the value "yes"/ },
  { request: host({ Memory: '1g' }), status: 400, message: /field "HostConfig\.Memory" has the value "1g"/ },
  { request: host({ ShmSize: -1 }), status: 400, message: 'SHM size can not be less than 0' },
  {
    request: host({ RestartPolicy: { Name: 'sometimes' } }),
    status: 400,
    message:
      "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  },
  { request: host({ PortBindings: { 'x/tcp': [] } }), status: 400, message: 'invalid port specification: "x/tcp"' },
  {
    request: host({ PortBindings: { '80/tcp': [{ HostPort: '99999' }] } }),
    status: 400,
    message: 'invalid port specification: "99999"',
  },
  {
    request: container({ ExposedPorts: { '80/abc': {} } }),
    status: 400,
    message: 'invalid port specification: "80/abc"',
  },
  { request: host({ Binds: ['/a:b'] }), status: 400, message: /mount path must be absolute/ },
  {
    request: host({ Binds: ['../a:/b'] }),
    status: 400,
    message: /includes invalid characters for a local volume name/,
  },
  { request: host({ Mounts: [{ Type: 'odd', Target: '/x' }] }), status: 400, message: /mount type unknown/ },
  { request: host({ PidMode: 'odd' }), status: 400, message: 'invalid PID mode: odd' },
  { request: host({ Dns: ['here'] }), status: 400, message: /here/ },
  {
    request: host({ NetworkMode: 'container:' }),
    status: 400,
    message: 'invalid network mode: invalid container format container:<name|id>',
  },
  {
    request: host({ NetworkMode: 'container:c' }, { Hostname: 'h' }),
    status: 400,
    message: 'conflicting options: hostname and the network mode',
  },
  {
    request: host({ NetworkMode: 'container:c', Links: ['a'] }),
    status: 400,
    message: /container type network can't be used with links/,
  },
  {
    request: host({ NetworkMode: 'host', Links: ['a'] }),
    status: 400,
    message: /host type networking can't be used with links/,
  },
  {
    request: host({ NetworkMode: 'container:c', Dns: ['1.1.1.1'] }),
    status: 400,
    message: 'conflicting options: dns and the network mode',
  },
  {
    request: host({ NetworkMode: 'container:c', ExtraHosts: ['a:1.1.1.1'] }),
    status: 400,
    message: 'conflicting options: custom host-to-IP mapping and the network mode',
  },
  {
    request: host({ NetworkMode: 'container:c', PublishAllPorts: true }),
    status: 400,
    message: 'conflicting options: port publishing and the container type network mode',
  },
  {
    request: host({ NetworkMode: 'container:c' }, { ExposedPorts: { '80/tcp': {} } }),
    status: 400,
    message: 'conflicting options: port exposing and the container type network mode',
  },
  {
    request: container({
      NetworkingConfig: { EndpointsConfig: { default: { IPAMConfig: { IPv4Address: '172.17.0.9' } } } },
    }),
    status: 400,
    message: 'user-specified IP address is supported on user-defined networks only',
  },
  {
    request: ['POST', '/networks/bridge/connect', { Container: 'present', EndpointConfig: { Aliases: ['a'] } }],
    status: 400,
    message: 'network-scoped aliases are only supported for user-defined networks',
  },
  { request: ['POST', '/containers/c/rename'], status: 400, message: 'Neither old nor new names may be empty' },
  { request: ['POST', '/containers/nobody/start'], status: 404, message: 'No such container: nobody' },
  { request: ['POST', '/containers/nobody/stop?t=x'], status: 400, message: /"t".*"x"/ },
  { request: ['POST', '/containers/c/resize?h=1'], status: 400, message: /invalid terminal size/ },
  { request: ['POST', '/containers/c/wait?condition=odd'], status: 400, message: 'invalid condition: "odd"' },
  { request: ['POST', '/containers/c/exec', { Cmd: [] }], status: 400, message: 'No exec command specified' },
  { request: ['GET', '/exec/e9/json'], status: 404, message: 'No such exec instance: e9' },
  {
    request: ['GET', '/containers/c/logs?stdout=1&since=yesterday'],
    status: 400,
    message: /invalid timestamp "yesterday"/,
  },
  { request: ['GET', '/images/none/json'], status: 404, message: 'No such image: none:latest' },
  {
    request: ['POST', '/images/create?fromImage=a/b&tag=1'],
    status: 501,
    message: /cannot pull "a\/b:1".*docker load/,
  },
  { request: ['POST', '/images/load'], status: 400, message: 'cannot load archive: it has no images' },
  { request: ['GET', '/volumes/v'], status: 404, message: 'get v: no such volume' },
  { request: ['POST', '/build'], status: 501, message: /build elsewhere .* "docker load"/ },
  { request: ['POST', '/swarm/init', {}], status: 501, message: 'this engine has no swarm mode' },
  {
    request: ['GET', '/services'],
    status: 503,
    message:
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  },
  { request: ['GET', '/plugins/p/json'], status: 404, message: 'plugin "p" not found' },
];

describe('what is refused', () => {
  before(async () => {
    assert.equal((await call('POST', '/containers/create?name=present', { body: { Image: 'busybox' } })).status, 201);
  });
  after(async () => {
    assert.equal((await call('DELETE', '/containers/present')).status, 204);
  });

  for (const { request, status, message } of REFUSALS) {
    const [method, path, body, headers] = request;
    const shown = body === undefined ? '' : ` ${JSON.stringify(body).slice(0, 100)}`;
    test(`${method} ${path}${shown} is a ${status} with its text`, async () => {
      const answer = await call(method, path, { body, ...(headers ? { headers } : {}) });
      const { message: text } = answer.json as { message: string };
      if (typeof message === 'string') assert.equal(text, message);
      else assert.match(text, message);
      assert.equal(answer.status, status);
      assert.doesNotMatch(answer.text, /\.ts:\d|at \w+ \(/, 'no stack goes out');
    });
  }
});

test('a refused body leaves the connection good for the next request', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const big = Buffer.alloc(9_000_000, ' ');
  assert.equal((await call('POST', '/networks/create', { body: big, agent })).status, 413);
  assert.equal((await call('GET', '/_ping', { agent })).text, 'OK');
  agent.destroy();
});

test('networks are created, listed by filters in both forms, shown with their containers and removed', async () => {
  const made = await call('POST', '/networks/create', { body: { Name: 'n1', Labels: { a: 'b' }, Internal: true } });
  assert.equal(made.status, 201);
  const { Id: id } = made.json as { Id: string };
  const names = async (filters: unknown): Promise<string[]> => {
    const { json } = await call('GET', `/networks?filters=${encodeURIComponent(JSON.stringify(filters))}`);
    return (json as { Name: string }[]).map(({ Name }) => Name);
  };
  assert.deepEqual(await names({ label: ['a=b'] }), ['n1']);
  assert.deepEqual(await names({ label: { 'a=b': true } }), ['n1']);
  assert.deepEqual(await names({ name: ['^n1$'] }), ['n1']);
  assert.deepEqual(await names({ type: ['builtin'] }), ['bridge', 'host', 'none']);
  assert.deepEqual(await names({ dangling: ['true'] }), ['n1']);
  assert.deepEqual(await names({ driver: ['null'] }), ['none']);
  const { json: one } = await create({ NetworkingConfig: { EndpointsConfig: { n1: {} } } }, '?name=on-n1');
  const { Id: container } = one as { Id: string };
  await call('POST', '/containers/on-n1/start');
  const { json } = await call('GET', `/networks/${id.slice(0, 12)}`);
  const shown = json as {
    Containers: Record<string, { Name: string; IPv4Address: string }>;
    IPAM: { Config: unknown };
  };
  assert.equal(shown.Containers[container]?.Name, 'on-n1');
  assert.equal(shown.Containers[container]?.IPv4Address, '172.18.0.2/16');
  assert.deepEqual(shown.IPAM.Config, [{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' }]);
  assert.equal((await call('DELETE', '/networks/n1')).status, 204);
});

test('a container is created, started once, listed, inspected and removed', async () => {
  const made = await create({ HostConfig: { NetworkMode: 'default' } }, '?name=life');
  assert.deepEqual([made.status, (made.json as { Warnings: string[] }).Warnings], [201, []]);
  assert.equal((await call('POST', '/containers/life/start')).status, 204);
  const again = await call('POST', '/containers/life/start');
  assert.deepEqual([again.status, again.text], [304, '']);
  const { json: list } = await call('GET', '/containers/json');
  const summary = (list as { Names: string[]; State: string; HostConfig: object }[]).find(
    ({ Names }) => Names[0] === '/life',
  );
  assert.equal(summary?.State, 'running');
  assert.deepEqual(summary?.HostConfig, { NetworkMode: 'bridge' });
  const { json } = await call('GET', '/containers/life/json');
  const inspect = json as {
    Name: string;
    NetworkSettings: { Networks: object; IPAddress: string };
    State: { Running: boolean };
  };
  assert.equal(inspect.Name, '/life');
  assert.equal(inspect.State.Running, true);
  assert.deepEqual(Object.keys(inspect.NetworkSettings.Networks), ['bridge']);
  assert.equal(inspect.NetworkSettings.IPAddress, '172.18.0.2');
  assert.equal((await call('DELETE', '/containers/life')).status, 409);
  assert.equal((await call('DELETE', '/containers/life?force=1')).status, 204);
  assert.equal((await call('GET', '/containers/life/json')).status, 404);
});

test('through 1.44 the short id is an alias, after that only a DNS name; newer members come with their versions', async () => {
  await call('POST', '/networks/create', { body: { Name: 'aliased' } });
  const made = await create({ NetworkingConfig: { EndpointsConfig: { aliased: { Aliases: ['www'] } } } }, '?name=al');
  const { Id: id } = made.json as { Id: string };
  await call('POST', '/containers/al/start');
  const settings = async (version: string) => {
    const { json } = await call('GET', `/v${version}/containers/al/json`);
    const { Networks } = (json as { NetworkSettings: { Networks: Record<string, Record<string, unknown>> } })
      .NetworkSettings;
    return Networks.aliased ?? {};
  };
  assert.deepEqual((await settings('1.43')).Aliases, ['www', id.slice(0, 12)]);
  assert.equal('DNSNames' in (await settings('1.43')), false);
  assert.deepEqual((await settings('1.45')).Aliases, ['www']);
  assert.deepEqual((await settings('1.45')).DNSNames, ['al', 'www', id.slice(0, 12)]);
  assert.equal('GwPriority' in (await settings('1.47')), false);
  assert.equal((await settings('1.48')).GwPriority, 0);
  const { json: old } = await call('GET', '/v1.47/networks/aliased');
  assert.equal('EnableIPv4' in (old as object), false);
});

test('before 1.44 a container has one network at most', async () => {
  const body = { Image: 'busybox', NetworkingConfig: { EndpointsConfig: { bridge: {}, none: {} } } };
  const { status, json } = await call('POST', '/v1.43/containers/create', { body });
  assert.deepEqual(
    [status, json],
    [400, { message: 'Container cannot be connected to network endpoints: bridge, none' }],
  );
});

test('images are listed with the members of the version, loaded and removed', async () => {
  const { json: old } = await call('GET', '/v1.43/images/json');
  assert.equal((old as { VirtualSize: number }[])[0]?.VirtualSize, 4096);
  const { json } = await call('GET', '/images/json');
  assert.equal('VirtualSize' in ((json as object[])[0] ?? {}), false);
  const loaded = await call('POST', '/images/load', { body: Buffer.from('archive') });
  assert.deepEqual([loaded.status, loaded.json], [200, { stream: 'Loaded image: 7 bytes\n' }]);
  const removed = await call('DELETE', '/images/example.org/a/b:1');
  assert.deepEqual(removed.json, [{ Untagged: 'example.org/a/b:1' }]);
});

test('files come with their state in a header', async () => {
  await create({}, '?name=filed');
  const head = await call('HEAD', '/containers/filed/archive?path=/f');
  const stat: unknown = JSON.parse(
    Buffer.from(String(head.headers['x-docker-container-path-stat']), 'base64').toString(),
  );
  assert.deepEqual(stat, { name: 'f', size: 3, mode: 0o644, mtime: '2026-01-01T00:00:00Z', linkTarget: '' });
  assert.equal((await call('GET', '/containers/filed/archive?path=/f')).text, 'tar');
});

test('a client that never finishes its request head is sent away, one that waits between requests is not', async () => {
  await using hasty = await startFakeEngine({}, { headerTimeoutMs: 200 });
  const connect = async (): Promise<net.Socket> => {
    const socket = net.connect(hasty.socketPath);
    await once(socket, 'connect');
    return socket;
  };
  const silent = await connect();
  const half = await connect();
  half.write('POST /contain');
  const slow = await connect();
  slow.write('GET /_ping HTTP/1.1\r\nHost: x\r\n');
  const closed = [silent, half, slow].map((socket) => once(socket.resume(), 'close'));
  const idle = await connect();
  const ping = async (): Promise<string> => {
    idle.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
    return String((await once(idle, 'data'))[0]);
  };
  assert.match(await ping(), /^HTTP\/1\.1 200/);
  await Promise.all(closed);
  assert.match(await ping(), /^HTTP\/1\.1 200/);
  idle.destroy();
});
