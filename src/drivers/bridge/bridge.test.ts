import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Id, parseCidr, parseIp, parseMac } from '../../base/index.ts';
import type { AttachSpec, DriverNetworkRequest, NetworkRecord } from '../../model/index.ts';
import { parseBridgeOptions } from './options.ts';
import { planBridge, planPort } from './plan.ts';
import { checkBridgeRequest } from './validate.ts';

const ID = `0123456789abcdef${'0'.repeat(48)}` as Id;
const OTHER = 'f'.repeat(64) as Id;
const bridge = (option: string): string => `com.docker.network.bridge.${option}`;

function network(changes: Partial<NetworkRecord> = {}): NetworkRecord {
  return {
    id: ID,
    name: 'net',
    created: '0',
    scope: 'local',
    driver: 'bridge',
    enableIpv4: true,
    enableIpv6: true,
    internal: false,
    attachable: false,
    ingress: false,
    configOnly: false,
    options: {},
    labels: {},
    ipam: { driver: 'default', options: {}, requested: [] },
    pools: [
      { family: 4, subnet: parseCidr('172.18.0.0/16'), gateway: parseIp('172.18.0.1'), auxiliary: {} },
      { family: 6, subnet: parseCidr('fd00::/64'), gateway: parseIp('fd00::1'), auxiliary: {} },
    ],
    ...changes,
  };
}

function request(changes: Partial<DriverNetworkRequest> = {}): DriverNetworkRequest {
  const { id, name, enableIpv4, enableIpv6, internal, options } = network();
  return { id, name, enableIpv4, enableIpv6, internal, options, pools: [], ...changes };
}

function endpoint(record: NetworkRecord, changes: Partial<AttachSpec> = {}): AttachSpec {
  return {
    endpointId: ID,
    ownerId: OTHER,
    network: record,
    sandboxPath: '/nowhere',
    ifname: 'eth0',
    ipv4: parseCidr('172.18.0.2/16'),
    ipv6: parseCidr('fd00::2/64'),
    request: {},
    ...changes,
  };
}

describe('options of a bridge network', () => {
  const refused: readonly (readonly [Record<string, string>, RegExp])[] = [
    [{ [bridge('colour')]: 'red' }, /unknown option "com.docker.network.bridge.colour" with value "red"/],
    [{ 'com.fairway.anti_spoofing': 'maybe' }, /invalid value "maybe" of option .*: it must be true or false/],
    [{ 'com.fairway.speed': '1' }, /unknown option "com.fairway.speed"/],
    [{ [bridge('enable_icc')]: 'maybe' }, /invalid value "maybe" of option ".*enable_icc": it must be true or false/],
    [{ [bridge('name')]: 'a/b' }, /invalid value "a\/b"/],
    [{ [bridge('name')]: 'a-name-that-is-too-long' }, /at most 15 characters/],
    [{ 'com.docker.network.driver.mtu': '1e3' }, /whole number from 0 to 65535/],
    [{ [bridge('host_binding_ipv4')]: 'here' }, /it must be an IP address/],
    [{ [bridge('host_binding_ipv4')]: '::1' }, /it must be an IPv4 address/],
    [{ [bridge('gateway_mode_ipv4')]: 'open' }, /one of nat, nat-unprotected, routed, isolated/],
    [{ [bridge('gateway_mode_ipv4')]: 'isolated' }, /can only be used for an internal network/],
    [{ [bridge('trusted_host_interfaces')]: 'eth0:a b' }, /invalid interface name "a b"/],
  ];
  for (const [options, message] of refused) {
    it(`refuse ${JSON.stringify(options)}`, () => {
      assert.throws(() => parseBridgeOptions(options, false), { message });
    });
  }

  it("pass over labels that are somebody else's", () => {
    const options = parseBridgeOptions(
      { 'org.example.colour': 'red', 'com.docker.network.enable_ipv6': 'true' },
      false,
    );
    assert.equal(options.icc, true);
    assert.equal(options.hostBinding, undefined);
  });
});

describe('a bridge network', () => {
  it('has its gateways on a bridge named after it, and an entry for each family', () => {
    const plan = planBridge(network());
    assert.equal(plan.name, 'br-0123456789ab');
    assert.equal(plan.mac, '02:42:ac:12:00:01');
    assert.deepEqual(
      plan.addresses.map(({ ip, prefix }) => `${ip}/${prefix}`),
      ['172.18.0.1/16', 'fd00::1/64'],
    );
    assert.deepEqual(
      plan.firewall.map(({ bridge: name, gatewayMode, masquerade }) => [name, gatewayMode, masquerade]),
      [
        ['br-0123456789ab', 'nat', true],
        ['br-0123456789ab', 'nat', true],
      ],
    );
  });

  it('leaves the source alone when it is routed, and uses the address asked for otherwise', () => {
    const options = { [bridge('gateway_mode_ipv6')]: 'routed', 'com.docker.network.host_ipv4': '192.0.2.1' };
    assert.deepEqual(
      planBridge(network({ options })).firewall.map(({ masquerade }) => masquerade),
      ['192.0.2.1', false],
    );
  });

  it('keeps off the bridge what is inhibited or isolated', () => {
    const inhibited = { [bridge('inhibit_ipv4')]: 'true' };
    assert.deepEqual(
      planBridge(network({ options: inhibited })).addresses.map(({ ip }) => ip),
      ['fd00::1'],
    );
    const isolated = { [bridge('gateway_mode_ipv4')]: 'isolated', [bridge('gateway_mode_ipv6')]: 'isolated' };
    assert.deepEqual(planBridge(network({ internal: true, options: isolated })).addresses, []);
  });

  it('has no two subnets of one family, and no bridge of another network', () => {
    const pools = ['10.0.0.0/24', '10.0.1.0/24'].map((subnet) => ({ subnet: parseCidr(subnet) }));
    assert.throws(() => checkBridgeRequest(request({ pools }), []), {
      message: "bridge driver doesn't support multiple subnets",
    });
    const other = network({ id: OTHER, options: { [bridge('name')]: 'br-0123456789ab' } });
    assert.throws(() => checkBridgeRequest(request(), [other]), {
      message: `cannot create network ${ID} (br-0123456789ab): conflicts with network ${OTHER} (br-0123456789ab): networks have same bridge name`,
    });
  });
});

describe('an endpoint on a bridge', () => {
  it('has the same Ethernet address whenever it is asked for, also without IPv4', () => {
    const { ipv4: _, ...six } = endpoint(network());
    assert.equal(planPort(six).mac, planPort(six).mac);
  });

  it('gets its Ethernet address from its IPv4 address, unless it asks for one', () => {
    assert.equal(planPort(endpoint(network())).mac, '02:42:ac:12:00:02');
    const mac = parseMac('02:00:00:00:00:01');
    assert.equal(planPort(endpoint(network(), { mac })).mac, mac);
  });

  it('leads out unless the network is internal', () => {
    assert.deepEqual(planPort(endpoint(network())).gateways, { gateway4: '172.18.0.1', gateway6: 'fd00::1' });
    assert.deepEqual(planPort(endpoint(network({ internal: true }))).gateways, {});
  });

  it('takes settings of its link, and none of others', () => {
    const sysctls = 'com.docker.network.endpoint.sysctls';
    const plan = (text: string): unknown =>
      planPort(endpoint(network(), { request: { driverOptions: { [sysctls]: text } } })).endpoint.sysctls;
    assert.deepEqual(plan('net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=0'), [
      { key: ['net', 'ipv4', 'conf', 'eth0', 'log_martians'], value: '1' },
      { key: ['net', 'ipv6', 'conf', 'eth0', 'accept_ra'], value: '0' },
    ]);
    for (const bad of [
      'net.ipv4.ip_forward=1',
      'kernel.conf.x.IFNAME.y=1',
      'net.ipv4.conf.eth1.x=1',
      'net.ipv4.conf.IFNAME',
    ]) {
      assert.throws(() => plan(bad), /it must be like net.ipv4.conf.IFNAME/, bad);
    }
    assert.throws(() => plan('net.ipv4.conf.IFNAME...=1'), /invalid sysctl/);
  });
});
