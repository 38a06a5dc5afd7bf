import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  filtersQuery,
  RawApi,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;
let api: RawApi;
/** By name of network or container. */
const ids: Record<string, string> = {};

const docker = (line: string): Promise<string> => engine.docker(...line.split(' '));

before(async () => {
  engine = await startEngine();
  api = new RawApi(engine.daemon.socket);
  await docker('network create --subnet 10.70.0.0/24 --ip-range 10.70.0.0/25 taken');
  await docker('network create --internal -o com.docker.network.bridge.name=other-bridge other');
  await docker('network create --config-only --subnet 10.71.0.0/24 plan');
  await docker('network create --config-from plan planned');
  await docker('run -d --name box --network taken --ip 10.70.0.9 busybox sleep 600');
  await docker('run -d --name onhost --network host busybox sleep 600');
  await docker('run -d --name alone --network none busybox sleep 600');
  await docker('run -d --name beside --network container:box busybox sleep 600');
  await docker('run -d --name still --network taken busybox sleep 600');
  await docker('stop -t 0 still');
  for (const name of ['taken', 'other', 'plan', 'box', 'still']) ids[name] = await docker(`inspect -f {{.Id}} ${name}`);
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

type Row = readonly [request: string, body: unknown, status: number, message: string];

const pools = (...Config: readonly object[]): object => ({ Name: 'x', IPAM: { Config } });
const DIFFERENT_NAMESPACE =
  'container sharing network namespace with another container or host cannot be connected to any other network';
const NOT_A_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
const CLUSTER_HINT = 'With Fairway: "fairway cluster init" or "fairway cluster join".';
const INVALID = 'invalid network config:\n';

/** Refused requests; `{name}` in a text stands for an id, and {name:12} for its first twelve digits. */
const REFUSED: readonly Row[] = [
  ['POST /networks/create', undefined, 400, 'invalid JSON: got EOF while reading request body'],
  ['POST /networks/create', { Name: 'taken' }, 409, 'network with name taken already exists'],
  ['POST /networks/create', { Name: 'bridge' }, 403, 'operation is not permitted on predefined bridge network '],
  ['POST /networks/create', { Name: 'host' }, 403, 'operation is not permitted on predefined host network '],
  ['POST /networks/create', { Name: 'none' }, 403, 'operation is not permitted on predefined none network '],
  ['POST /networks/create', { Name: 'default' }, 403, 'operation is not permitted on predefined default network '],
  ['POST /networks/create', { Name: 'x', Driver: 'nonsense' }, 404, 'plugin "nonsense" not found'],
  ['POST /networks/create', { Name: 'x', Driver: 'null' }, 403, 'only one instance of "null" network is allowed'],
  ['POST /networks/create', { Name: 'x', Driver: 'host' }, 403, 'only one instance of "host" network is allowed'],
  ['POST /networks/create', { Name: 'x', Driver: 'overlay' }, 503, `${NOT_A_MANAGER} ${CLUSTER_HINT}`],
  ['POST /networks/create', { Name: 'x', Ingress: true }, 503, NOT_A_MANAGER],
  [
    'POST /networks/create',
    { Name: 'x', Scope: 'swarm' },
    403,
    `cannot create a swarm scoped network when swarm is not active. ${CLUSTER_HINT}`,
  ],
  ['POST /networks/create', { Name: 'x', EnableIPv4: false }, 400, 'IPv4 or IPv6 must be enabled'],
  ['POST /networks/create', { Name: 'x', IPAM: { Driver: 'nonsense' } }, 404, 'plugin "nonsense" not found'],
  [
    'POST /networks/create',
    pools({ Subnet: '10.70.0.0/16' }),
    403,
    'invalid pool request: Pool overlaps with other one on this address space',
  ],
  [
    'POST /networks/create',
    pools({ Subnet: '10.72.0.0/24' }, { Subnet: '10.73.0.0/24' }),
    403,
    "bridge driver doesn't support multiple subnets",
  ],
  [
    'POST /networks/create',
    pools({ Subnet: '10.72.0.1/24' }),
    400,
    `${INVALID}invalid subnet 10.72.0.1/24: it should be 10.72.0.0/24`,
  ],
  [
    'POST /networks/create',
    pools({ Subnet: '10.72.0.0/24', IPRange: '10.72.0.0/16' }),
    400,
    `${INVALID}invalid ip-range 10.72.0.0/16: CIDR block is bigger than its parent subnet 10.72.0.0/24`,
  ],
  [
    'POST /networks/create',
    pools({ Subnet: '10.72.0.0/24', IPRange: '10.73.0.0/25' }),
    400,
    `${INVALID}invalid ip-range 10.73.0.0/25: parent subnet 10.72.0.0/24 doesn't contain ip-range`,
  ],
  [
    'POST /networks/create',
    pools({ Subnet: '10.72.0.0/24', Gateway: '10.73.0.1' }),
    400,
    `${INVALID}invalid gateway 10.73.0.1: parent subnet 10.72.0.0/24 doesn't contain this address`,
  ],
  [
    'POST /networks/create',
    pools({ Subnet: '10.72.0.0/24', AuxiliaryAddresses: { router: '10.73.0.1' } }),
    400,
    `${INVALID}invalid auxiliary address router: parent subnet 10.72.0.0/24 doesn't contain this address`,
  ],
  [
    'POST /networks/create',
    { Name: 'x', Options: { 'com.docker.network.bridge.gateway_mode_ipv4': 'isolated' } },
    500,
    "gateway mode 'isolated' can only be used for an internal network",
  ],
  ['POST /networks/create', { Name: 'x', ConfigFrom: { Network: 'nowhere' } }, 404, 'network nowhere not found'],

  ['GET /networks/nowhere', undefined, 404, 'network nowhere not found'],
  ['GET /networks/taken?scope=swarm', undefined, 404, 'network taken not found'],
  [
    'GET /networks/taken?verbose=perhaps',
    undefined,
    400,
    'invalid value for verbose: perhaps: strconv.ParseBool: parsing "perhaps": invalid syntax',
  ],
  [`GET /networks?${filtersQuery({ colour: ['red'] })}`, undefined, 400, "invalid filter 'colour'"],
  [`GET /networks?${filtersQuery({ type: ['odd'] })}`, undefined, 400, "invalid filter: 'type'='odd'"],
  [`GET /networks?${filtersQuery({ dangling: ['odd'] })}`, undefined, 400, "invalid filter 'dangling=[odd]'"],
  [`POST /networks/prune?${filtersQuery({ driver: ['bridge'] })}`, undefined, 400, "invalid filter 'driver'"],

  ['DELETE /networks/nowhere', undefined, 404, 'network nowhere not found'],
  ['DELETE /networks/bridge', undefined, 403, 'bridge is a pre-defined network and cannot be removed'],
  ['DELETE /networks/host', undefined, 403, 'host is a pre-defined network and cannot be removed'],
  ['DELETE /networks/none', undefined, 403, 'none is a pre-defined network and cannot be removed'],
  ['DELETE /networks/plan', undefined, 403, 'configuration network "plan" is in use'],

  ['POST /networks/other/connect', undefined, 400, 'invalid JSON: got EOF while reading request body'],
  ['POST /networks/other/connect', {}, 400, 'invalid name or ID supplied: ""'],
  ['POST /networks/nowhere/connect', { Container: 'box' }, 404, 'network nowhere not found'],
  ['POST /networks/other/connect', { Container: 'nobody' }, 404, 'No such container: nobody'],
  ['POST /networks/nowhere/connect', { Container: 'nobody' }, 404, 'No such container: nobody'],
  ['POST /networks/taken/connect', { Container: 'box' }, 403, 'endpoint with name box already exists in network taken'],
  ['POST /networks/plan/connect', { Container: 'box' }, 403, 'cannot create endpoint on configuration-only network'],
  [
    'POST /networks/host/connect',
    { Container: 'box' },
    400,
    'cannot connect container to host network - container must be created in host network mode',
  ],
  ['POST /networks/other/connect', { Container: 'onhost' }, 400, DIFFERENT_NAMESPACE],
  ['POST /networks/other/connect', { Container: 'beside' }, 400, DIFFERENT_NAMESPACE],
  [
    'POST /networks/other/connect',
    { Container: 'alone' },
    400,
    'container cannot be connected to multiple networks with one of the networks in private (none) mode',
  ],
  [
    'POST /networks/none/connect',
    { Container: 'box' },
    400,
    'container cannot be connected to multiple networks with one of the networks in private (none) mode',
  ],
  [
    'POST /networks/bridge/connect',
    { Container: 'box', EndpointConfig: { IPAMConfig: { IPv4Address: '172.17.0.9' } } },
    400,
    'user-specified IP address is supported on user-defined networks only',
  ],
  [
    'POST /networks/bridge/connect',
    { Container: 'box', EndpointConfig: { Aliases: ['a'] } },
    400,
    'network-scoped aliases are only supported for user-defined networks',
  ],
  [
    'POST /networks/planned/connect',
    { Container: 'box', EndpointConfig: { IPAMConfig: { IPv4Address: '10.99.0.1' } } },
    400,
    'no configured subnet contains IP address 10.99.0.1',
  ],
  [
    'POST /networks/planned/connect',
    { Container: 'still', EndpointConfig: { IPAMConfig: { IPv4Address: '10.99.0.1' } } },
    400,
    'no configured subnet contains IP address 10.99.0.1',
  ],
  [
    'POST /networks/planned/connect',
    { Container: 'box', EndpointConfig: { IPAMConfig: { IPv4Address: '10.71.0.1' } } },
    403,
    'Address already in use',
  ],

  ['POST /networks/other/disconnect', undefined, 400, 'invalid JSON: got EOF while reading request body'],
  ['POST /networks/nowhere/disconnect', { Container: 'box' }, 404, 'network nowhere not found'],
  ['POST /networks/taken/disconnect', { Container: 'nobody' }, 404, 'No such container: nobody'],
  ['POST /networks/taken/disconnect', { Container: 'nobody', Force: true }, 404, 'endpoint nobody not found'],
  ['POST /networks/nowhere/disconnect', { Container: 'nobody', Force: true }, 404, 'network nowhere not found'],
  ['POST /networks/other/disconnect', { Container: 'box' }, 500, 'container {box} is not connected to network other'],
  [
    'POST /networks/other/disconnect',
    { Container: 'still' },
    500,
    'container {still} is not connected to the network other',
  ],
  [
    'POST /networks/host/disconnect',
    { Container: 'onhost' },
    400,
    'cannot disconnect container from host network - container was created in host network mode',
  ],
];

const filledIn = (message: string): string =>
  message.replace(/\{(\w+)(?::(\d+))?\}/g, (_, name: string, digits = '64') =>
    (ids[name] ?? '').slice(0, Number(digits)),
  );

describe('a request that is refused says why in Docker’s words, and changes nothing', () => {
  for (const [line, body, status, message] of REFUSED) {
    test(`${line} ${body === undefined ? '' : JSON.stringify(body)}`, async () => {
      const [method = '', path = ''] = line.split(' ');
      const answer = await api.call(method, path, body);
      assert.equal(answer.message, filledIn(message));
      assert.equal(answer.status, status);
    });
  }

  test('of removing a network in use names all who use it', async () => {
    const endpoint = await docker('inspect -f {{.NetworkSettings.Networks.taken.EndpointID}} box');
    const answer = await api.call('DELETE', '/networks/taken');
    assert.equal(
      answer.message,
      `error while removing network: network taken has active endpoints (name:"box" id:"${endpoint.slice(0, 12)}")`,
    );
    assert.equal(answer.status, 403);
  });

  test('of a bridge in use names both networks', async () => {
    const Options = { 'com.docker.network.bridge.name': 'other-bridge' };
    const answer = await api.call('POST', '/networks/create', { Name: 'x', Options });
    const says =
      /^cannot create network [0-9a-f]{64} \(other-bridge\): conflicts with network ([0-9a-f]{64}) \(other-bridge\): networks have same bridge name$/;
    assert.equal(says.exec(answer.message)?.[1], ids.other, answer.message);
    assert.equal(answer.status, 403);
  });

  test('and all of them together have left nothing', async () => {
    await assertUnchanged(engine.host, clean);
    assert.equal(await docker('network ls -q --filter name=^x$'), '');
    assert.equal(await engine.docker('inspect', '-f', '{{len .NetworkSettings.Networks}}', 'still'), '1');
  });
});

describe('versions', () => {
  test('too old and too new are refused with what there is', async () => {
    const of = (version: string) => new RawApi(engine.daemon.socket, version).call('GET', '/networks');
    const old = await of('1.23');
    assert.equal(old.status, 400);
    assert.equal(
      old.message,
      'client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
    );
    const young = await of('1.52');
    assert.equal(young.status, 400);
    assert.equal(young.message, 'client version 1.52 is too new. Maximum supported API version is 1.51');
    for (const version of ['1.24', '1.41', '1.51', '']) assert.equal((await of(version)).status, 200, version);
  });

  test('before 1.28 the list shows containers; before 1.48 nothing shows EnableIPv4; the path may end in a slash', async () => {
    const list = async (version: string, path = '/networks'): Promise<Record<string, unknown>[]> =>
      (await new RawApi(engine.daemon.socket, version).call('GET', path)).body as Record<string, unknown>[];
    const taken = async (version: string) => (await list(version)).find(({ Name }) => Name === 'taken') ?? {};
    assert.deepEqual(Object.keys((await taken('1.27')).Containers as object), [ids.box]);
    assert.deepEqual((await taken('1.28')).Containers, {});
    assert.equal('EnableIPv4' in (await taken('1.47')), false);
    assert.equal((await taken('1.48')).EnableIPv4, true);
    assert.equal((await list('1.48', '/networks/')).length, (await list('1.48')).length);
  });

  test('through 1.44 aliases hold the short id; since then names do', async () => {
    await docker('network connect --alias other-name other box');
    const settings = async (version: string) => {
      const { body } = await new RawApi(engine.daemon.socket, version).call('GET', '/containers/box/json');
      return (body as { NetworkSettings: { Networks: Record<string, Record<string, unknown>> } }).NetworkSettings
        .Networks.other;
    };
    const short = ids.box?.slice(0, 12);
    assert.deepEqual((await settings('1.43'))?.Aliases, ['other-name', short]);
    assert.equal('DNSNames' in ((await settings('1.43')) ?? {}), false);
    assert.deepEqual((await settings('1.44'))?.Aliases, ['other-name', short]);
    assert.deepEqual((await settings('1.44'))?.DNSNames, ['box', 'other-name', short]);
    assert.deepEqual((await settings('1.45'))?.Aliases, ['other-name']);
    assert.deepEqual((await settings('1.51'))?.DNSNames, ['box', 'other-name', short]);
    assert.equal('GwPriority' in ((await settings('1.47')) ?? {}), false);
    await docker('network disconnect other box');
    await assertUnchanged(engine.host, clean);
  });

  test('the fields beside Networks are those of the default bridge, and empty elsewhere', async () => {
    await docker('run -d --name plain busybox sleep 600');
    const settings = async (name: string) => {
      const { body } = await new RawApi(engine.daemon.socket, '1.51').call('GET', `/containers/${name}/json`);
      return (
        body as { NetworkSettings: Record<string, unknown> & { Networks: Record<string, Record<string, unknown>> } }
      ).NetworkSettings;
    };
    const plain = await settings('plain');
    for (const key of [
      'EndpointID',
      'Gateway',
      'IPAddress',
      'IPPrefixLen',
      'MacAddress',
      'GlobalIPv6Address',
      'IPv6Gateway',
    ]) {
      assert.equal(plain[key], plain.Networks.bridge?.[key], key);
    }
    assert.match(String(plain.IPAddress), /^172\.17\./);
    const box = await settings('box');
    assert.deepEqual([box.IPAddress, box.Gateway, box.MacAddress, box.EndpointID], ['', '', '', '']);
    assert.deepEqual(
      [box.Bridge, box.HairpinMode, box.SecondaryIPAddresses, box.LinkLocalIPv6PrefixLen],
      ['', false, null, 0],
    );
    assert.match(String(box.SandboxKey), /^\/run\/netns\/fw-/);
    await docker('rm -f plain');
    await assertUnchanged(engine.host, clean);
  });
});

describe('answers', () => {
  test('inspect, verbose too, shows every member', async () => {
    const { body } = await api.call('GET', '/networks/taken?verbose=true');
    const { Created, Containers, ...rest } = body as {
      Created: string;
      Containers: Record<string, { readonly EndpointID: string; readonly MacAddress: string }>;
    };
    assert.match(Created, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(rest, {
      Name: 'taken',
      Id: ids.taken,
      Scope: 'local',
      Driver: 'bridge',
      EnableIPv4: true,
      EnableIPv6: false,
      IPAM: {
        Driver: 'default',
        Options: {},
        Config: [{ Subnet: '10.70.0.0/24', IPRange: '10.70.0.0/25', Gateway: '10.70.0.1' }],
      },
      Internal: false,
      Attachable: false,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      Options: {},
      Labels: {},
    });
    assert.deepEqual(Object.keys(Containers), [ids.box]);
    const { EndpointID = '', MacAddress = '', ...box } = Containers[ids.box ?? ''] ?? {};
    // The last is our own, and of the verbose form alone.
    assert.deepEqual(box, { Name: 'box', IPv4Address: '10.70.0.9/24', IPv6Address: '', SpoofedFrames: 0 });
    const plain = (await api.call('GET', '/networks/taken')).body as { readonly Containers: typeof Containers };
    assert.equal('SpoofedFrames' in (plain.Containers[ids.box ?? ''] ?? {}), false);
    assert.match(EndpointID, /^[0-9a-f]{64}$/);
    assert.match(MacAddress, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  });

  test('info names drivers, pools and the packet filter', async () => {
    const info = (await new RawApi(engine.daemon.socket, '1.51').call('GET', '/info')).body as Record<string, unknown>;
    const { Network, Volume } = info.Plugins as { Network: string[]; Volume: string[] };
    for (const driver of ['bridge', 'host', 'macvlan', 'null']) assert.ok(Network.includes(driver), driver);
    assert.deepEqual(Volume, ['local']);
    assert.deepEqual((info.DefaultAddressPools as object[])[0], { Base: '172.17.0.0/16', Size: 16 });
    assert.deepEqual(info.FirewallBackend, { Driver: 'nftables' });
    assert.equal(info.IPv4Forwarding, true);
    const older = (await new RawApi(engine.daemon.socket, '1.48').call('GET', '/info')).body as Record<string, unknown>;
    assert.equal('FirewallBackend' in older, false);
  });

  test('events of networks have name, driver and container', async () => {
    const stream = await api.stream('GET', `/events?${filtersQuery({ type: ['network'] })}`);
    let told = '';
    stream.on('data', (chunk: Buffer) => {
      told += chunk.toString();
    });
    const made = await api.call('POST', '/networks/create', { Name: 'eventful', Driver: 'bridge', Labels: { l: 'v' } });
    const { Id } = made.body as { Id: string };
    await docker('network connect eventful box');
    await docker('network disconnect eventful box');
    await docker('network disconnect -f taken still');
    await docker('network rm eventful');
    const pruned = await api.call('POST', `/networks/prune?${filtersQuery({ label: ['nobody-has-this'] })}`);
    assert.deepEqual(pruned.body, { NetworksDeleted: null });
    await docker('network connect taken still');
    await eventually(() => assert.equal(told.trim().split('\n').length, 5, told));
    stream.destroy();
    const events = told
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      events.map(({ Action, Actor }) => [Action, Actor]),
      [
        ['create', { ID: Id, Attributes: { name: 'eventful', type: 'bridge' } }],
        ['connect', { ID: Id, Attributes: { container: ids.box, name: 'eventful', type: 'bridge' } }],
        ['disconnect', { ID: Id, Attributes: { container: ids.box, name: 'eventful', type: 'bridge' } }],
        ['destroy', { ID: Id, Attributes: { name: 'eventful', type: 'bridge' } }],
        ['prune', { ID: '', Attributes: { reclaimed: '0' } }],
      ],
    );
    for (const event of events) {
      assert.deepEqual(
        [event.Type, event.scope, typeof event.time, typeof event.timeNano],
        ['network', 'local', 'number', 'number'],
      );
    }
    await assertUnchanged(engine.host, clean);
  });
});
