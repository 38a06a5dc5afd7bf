import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { CreateBody } from './container-create.ts';
import { parseCreate } from './container-spec.ts';
import { parseBind } from './mounts.ts';
import { NetworkCreateBody, parseNetworkCreate } from './network-create.ts';
import { parseBindings, parseExposed } from './ports.ts';

const create = (body: object, version = 51) => parseCreate(v.parse(CreateBody, { Image: 'i', ...body }), { version });
const networksOf = (body: object, version?: number) => create(body, version).networks.map(({ name }) => name);

test('a port binding is an exact port, a range to choose from, or left to the engine', () => {
  const requests = parseBindings({
    '80/tcp': [
      { HostIp: '127.0.0.1', HostPort: '8080' },
      { HostIp: '', HostPort: '' },
    ],
    '53/udp': [{ HostIp: '::1', HostPort: '5000-5010' }],
    '90': [],
  });
  assert.deepEqual(
    requests.sort((one, other) => one.containerPort - other.containerPort),
    [
      { protocol: 'udp', containerPort: 53, hostIp: '::1', hostPorts: { first: 5000, last: 5010 } },
      { protocol: 'tcp', containerPort: 80, hostIp: '127.0.0.1', hostPorts: { first: 8080, last: 8080 } },
      { protocol: 'tcp', containerPort: 80 },
      { protocol: 'tcp', containerPort: 90 },
    ],
  );
});

test('a range of container ports goes pairwise with a host range of the same length', () => {
  assert.deepEqual(parseBindings({ '80-81/tcp': [{ HostIp: '', HostPort: '8080-8081' }] }), [
    { protocol: 'tcp', containerPort: 80, hostPorts: { first: 8080, last: 8080 } },
    { protocol: 'tcp', containerPort: 81, hostPorts: { first: 8081, last: 8081 } },
  ]);
  assert.throws(
    () => parseBindings({ '80-82/tcp': [{ HostIp: '', HostPort: '8080-8081' }] }),
    /invalid port specification: "8080-8081"/,
  );
  assert.deepEqual(parseExposed({ '1-2/sctp': {} }), [
    { protocol: 'sctp', port: 1 },
    { protocol: 'sctp', port: 2 },
  ]);
  for (const bad of ['0', '65536', '3-1', 'http', '80/tcp/udp', '']) {
    assert.throws(() => parseExposed({ [bad]: {} }), /invalid port specification/, bad);
  }
});

test('a bind names a host path, a volume, or nothing', () => {
  assert.deepEqual(parseBind('/a:/b:ro,rslave', { version: 43 }), {
    type: 'bind',
    source: '/a',
    target: '/b',
    readOnly: true,
    createMountpoint: true,
    propagation: 'rslave',
  });
  assert.deepEqual(parseBind('vol:/b:nocopy', { version: 43 }), {
    type: 'volume',
    source: 'vol',
    target: '/b',
    readOnly: false,
    noCopy: true,
  });
  assert.deepEqual(parseBind('/b', { version: 43 }), { type: 'volume', target: '/b', readOnly: false });
  for (const bad of ['', ':/b', '/a:/b:ro:x', '/a:/b:fast', '/a:b', '/a:/', '../v:/b']) {
    assert.throws(() => parseBind(bad, { version: 43 }), { kind: 'invalid' }, bad);
  }
});

test('networks come from the endpoints, and without them from the mode', () => {
  assert.deepEqual(networksOf({}), ['bridge']);
  assert.deepEqual(networksOf({ HostConfig: { NetworkMode: 'host' } }), ['host']);
  const endpoints = (...names: string[]) => ({ EndpointsConfig: Object.fromEntries(names.map((name) => [name, {}])) });
  assert.deepEqual(networksOf({ NetworkingConfig: endpoints('default') }), ['bridge']);
  assert.deepEqual(networksOf({ HostConfig: { NetworkMode: 'b' }, NetworkingConfig: endpoints('a', 'b', 'c') }), [
    'b',
    'a',
    'c',
  ]);
  assert.deepEqual(networksOf({ HostConfig: { NetworkMode: 'container:x' } }), []);
  assert.throws(
    () => networksOf({ NetworkingConfig: endpoints('a', 'b') }, 43),
    /cannot be connected to network endpoints: a, b/,
  );
  assert.throws(() => networksOf({ NetworkingConfig: endpoints('a', 'none') }), /private \(none\) mode/);
  assert.throws(
    () => networksOf({ HostConfig: { NetworkMode: 'host' }, NetworkingConfig: endpoints('a', 'host') }),
    /container sharing network namespace/,
  );
});

test('a container-wide MAC address goes to the endpoint of the main network', () => {
  const mac = '02:42:AC:11:00:02';
  const parsed = create({ MacAddress: mac });
  assert.equal(parsed.networks[0]?.request.mac, '02:42:ac:11:00:02');
  assert.match(parsed.warnings.join(), /deprecated/);
  assert.deepEqual(create({ MacAddress: mac }, 43).warnings, []);
  const other = { EndpointsConfig: { bridge: { MacAddress: '02:42:ac:11:00:03' } } };
  assert.throws(
    () => create({ MacAddress: mac, NetworkingConfig: other }),
    /must match the endpoint-specific MAC address/,
  );
});

test('an endpoint keeps everything that was asked of it', () => {
  const endpoint = {
    IPAMConfig: { IPv4Address: '10.0.0.9', IPv6Address: 'FD00::9', LinkLocalIPs: ['169.254.1.1'] },
    Aliases: ['a'],
    Links: ['c:d'],
    DriverOpts: { 'com.docker.network.endpoint.ifname': 'lan0' },
    GwPriority: 7,
    MacAddress: '02:00:00:00:00:01',
  };
  const [network] = create({ NetworkingConfig: { EndpointsConfig: { n: endpoint } } }).networks;
  assert.deepEqual(network, {
    name: 'n',
    request: {
      ipv4: '10.0.0.9',
      ipv6: 'fd00::9',
      linkLocal: ['169.254.1.1'],
      mac: '02:00:00:00:00:01',
      aliases: ['a'],
      links: ['c:d'],
      driverOptions: { 'com.docker.network.endpoint.ifname': 'lan0' },
      gatewayPriority: 7,
      ifname: 'lan0',
    },
  });
});

test('what falls to the image stays out of the specification, and an empty entrypoint clears it', () => {
  assert.equal('entrypoint' in create({ Entrypoint: null, Cmd: [] }).spec.process, false);
  assert.equal('cmd' in create({ Cmd: [] }).spec.process, false);
  assert.deepEqual(create({ Entrypoint: [''] }).spec.process.entrypoint, []);
  assert.deepEqual(create({ Cmd: 'ls' }).spec.process.cmd, ['ls']);
});

test('a specification survives JSON, since it is stored', () => {
  const { spec, networks } = create({
    Healthcheck: { Test: ['CMD', 'true'], Interval: 1e9 },
    HostConfig: {
      Binds: ['/a:/b'],
      PortBindings: { '80/tcp': [{ HostPort: '80' }] },
      RestartPolicy: { Name: 'always' },
    },
  });
  assert.deepEqual(JSON.parse(JSON.stringify({ spec, networks })), { spec, networks });
});

test('a network request says nothing that was not said', () => {
  const parse = (body: object, version = 51) =>
    parseNetworkCreate(v.parse(NetworkCreateBody, { Name: 'n', ...body }), version);
  const plain = parse({});
  for (const key of ['driver', 'scope', 'enableIpv4', 'enableIpv6', 'configFrom'])
    assert.equal(key in plain, false, key);
  assert.equal('enableIpv4' in parse({ EnableIPv4: false }, 47), false);
  assert.equal(parse({ EnableIPv4: false }).enableIpv4, false);
  const { ipam } = parse({
    IPAM: { Config: [{ Subnet: '10.0.0.0/24', Gateway: '10.0.0.1', AuxiliaryAddresses: { a: '10.0.0.5' } }] },
  });
  assert.deepEqual(ipam?.pools, [
    { subnet: { ip: '10.0.0.0', prefix: 24 }, gateway: '10.0.0.1', auxiliary: { a: '10.0.0.5' } },
  ]);
});
