import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

const BRIDGE = 'com.docker.network.bridge';
const ENDPOINT = 'com.docker.network.endpoint';

before(async () => {
  engine = await startEngine();
  await docker('network create --subnet 10.50.0.0/24 --label tier=front --label lone front');
  await docker('network create --internal --label tier=back back');
  await docker(
    `network create --config-only --subnet 10.52.0.0/24 -o ${BRIDGE}.enable_icc=false --label kept=yes plan`,
  );
  await docker('run -d --name box --network front busybox sleep 600');
  // A container that ran once has a folder until it is removed.
  await docker('run -d --name still --network front busybox sleep 600');
  await docker('stop -t 0 still');
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const docker = (line: string): Promise<string> => engine.docker(...line.split(' '));

interface Answer {
  readonly status: number;
  readonly message: string;
  readonly body: unknown;
}

function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const text = body === undefined ? '' : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
    const sent = request({ socketPath: engine.daemon.socket, path: `/v1.48${path}`, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString();
        const parsed: unknown = answer === '' ? undefined : JSON.parse(answer);
        const message = (parsed as { message?: string } | undefined)?.message ?? '';
        resolve({ status: response.statusCode ?? 0, message, body: parsed });
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

const createNetwork = (options: Record<string, string>, more: Record<string, unknown> = {}): Promise<Answer> =>
  call('POST', '/networks/create', { Name: 'bad', Options: options, ...more });

/** Option, value, status, text. */
const BAD_OPTIONS: readonly (readonly [string, string, number, RegExp])[] = [
  [`${BRIDGE}.enable_icc`, 'perhaps', 400, /"perhaps" of option ".*enable_icc": it must be true or false/],
  [`${BRIDGE}.enable_ip_masquerade`, '2', 400, /"2" of option ".*enable_ip_masquerade"/],
  [`${BRIDGE}.inhibit_ipv4`, 'yes', 400, /"yes" of option ".*inhibit_ipv4"/],
  [`${BRIDGE}.gateway_mode_ipv4`, 'open', 400, /"open" of option ".*gateway_mode_ipv4": it must be one of nat, /],
  [`${BRIDGE}.gateway_mode_ipv6`, 'NAT', 400, /"NAT" of option ".*gateway_mode_ipv6"/],
  [`${BRIDGE}.gateway_mode_ipv4`, 'isolated', 500, /gateway mode 'isolated' can only be used for an internal network/],
  [
    `${BRIDGE}.host_binding_ipv4`,
    '10.0.0',
    400,
    /"10\.0\.0" of option ".*host_binding_ipv4": it must be an IP address/,
  ],
  [`${BRIDGE}.host_binding_ipv4`, '::1', 400, /".*::1" of option ".*host_binding_ipv4": it must be an IPv4 address/],
  [`${BRIDGE}.trusted_host_interfaces`, 'eth0:a/b', 400, /invalid interface name "a\/b" in option/],
  [`${BRIDGE}.name`, 'much-too-long-name', 400, /"much-too-long-name" of option ".*name": .* at most 15 characters/],
  [`${BRIDGE}.name`, 'eth0', 409, /a link named eth0 which is not a bridge/],
  [`${BRIDGE}.name`, 'fairway0', 403, /networks have same bridge name/],
  [`${BRIDGE}.unheard_of`, 'x', 400, /unknown option ".*unheard_of" with value "x"/],
  ['com.docker.network.driver.mtu', 'large', 400, /"large" of option ".*mtu": it must be a whole number/],
  ['com.docker.network.driver.mtu', '-1', 400, /"-1" of option ".*mtu"/],
  ['com.docker.network.host_ipv4', 'fd00::1', 400, /of option ".*host_ipv4": it must be an IPv4 address/],
  ['com.docker.network.host_ipv6', '10.0.0.1', 400, /of option ".*host_ipv6": it must be an IPv6 address/],
  ['com.docker.network.container_iface_prefix', 'much-too-long-prefix', 400, /container_iface_prefix/],
  ['com.docker.network.enable_ipv6', 'perhaps', 400, /enable_ipv6/],
];

/** Settings of an endpoint, status, text. */
const BAD_ENDPOINTS: readonly (readonly [Record<string, unknown>, number, RegExp])[] = [
  [
    { DriverOpts: { [`${ENDPOINT}.ifname`]: 'much-too-long-name' } },
    400,
    /invalid interface name: "much-too-long-name"/,
  ],
  [{ DriverOpts: { [`${ENDPOINT}.ifname`]: 'eth0' } }, 409, /interface name eth0 is already in use/],
  [{ DriverOpts: { [`${ENDPOINT}.sysctls`]: 'kernel.x=1' } }, 400, /"kernel\.x=1" of option ".*sysctls"/],
  [{ DriverOpts: { [`${ENDPOINT}.sysctls`]: 'net.ipv4.conf.eth0.forwarding=1' } }, 400, /of option ".*sysctls"/],
  [{ DriverOpts: { [`${ENDPOINT}.sysctls`]: 'net.ipv4.conf.IFNAME.nonsense=1' } }, 400, /nonsense/],
  [{ DriverOpts: { [`${ENDPOINT}.unheard`]: 'x' } }, 400, /unknown option ".*unheard"/],
  [{ MacAddress: 'nonsense' }, 400, /nonsense/],
  [{ IPAMConfig: { IPv4Address: '10.0.0.300' } }, 400, /invalid IPv4 address: 10\.0\.0\.300/],
  [{ IPAMConfig: { IPv6Address: '10.0.0.3' } }, 400, /invalid IPv6 address: 10\.0\.0\.3/],
  [{ IPAMConfig: { LinkLocalIPs: ['x'] } }, 400, /invalid link-local IP address: x/],
];

describe('a bad option is refused by name, and changes nothing', () => {
  for (const [option, value, status, says] of BAD_OPTIONS) {
    test(`${option}=${value}`, async () => {
      const answer = await createNetwork({ [option]: value });
      assert.match(answer.message, says);
      assert.equal(answer.status, status);
      await assertUnchanged(engine.host, clean);
    });
  }

  test('an endpoint’s, of a running container', async () => {
    for (const [settings, status, says] of BAD_ENDPOINTS) {
      const answer = await call('POST', '/networks/back/connect', { Container: 'box', EndpointConfig: settings });
      assert.match(answer.message, says);
      assert.equal(answer.status, status, answer.message);
      await assertUnchanged(engine.host, clean);
    }
    assert.deepEqual(await networksOf('box'), ['front']);
  });
});

async function networksOf(container: string): Promise<string[]> {
  const { body, message } = await call('GET', `/containers/${container}/json`);
  assert.equal(message, '');
  return Object.keys((body as { NetworkSettings: { Networks: object } }).NetworkSettings.Networks).sort();
}

async function listed(filters: Record<string, readonly string[]>): Promise<string[]> {
  const { body, message } = await call('GET', `/networks?filters=${encodeURIComponent(JSON.stringify(filters))}`);
  assert.equal(message, '');
  return (body as { Name: string }[]).map(({ Name }) => Name).sort();
}

describe('filters of networks', () => {
  test('by driver, id, label, name, scope, type and dangling', async () => {
    const id = await docker('network inspect -f {{.Id}} front');
    const own = ['back', 'front', 'plan'];
    const predefined = ['bridge', 'host', 'none'];
    assert.deepEqual(await listed({ driver: ['host'] }), ['host']);
    assert.deepEqual(await listed({ driver: ['host', 'bridge'] }), ['back', 'bridge', 'front', 'host']);
    assert.deepEqual(await listed({ id: [id.slice(0, 20)] }), ['front']);
    assert.deepEqual(await listed({ label: ['tier'] }), ['back', 'front']);
    assert.deepEqual(await listed({ label: ['tier=back'] }), ['back']);
    assert.deepEqual(await listed({ label: ['tier', 'lone'] }), ['front']);
    assert.deepEqual(await listed({ name: ['fro'] }), ['front']);
    assert.deepEqual(await listed({ name: ['^b'] }), ['back', 'bridge']);
    assert.deepEqual(await listed({ scope: ['local'] }), [...own, ...predefined].sort());
    assert.deepEqual(await listed({ scope: ['swarm'] }), []);
    assert.deepEqual(await listed({ type: ['custom'] }), own);
    assert.deepEqual(await listed({ type: ['builtin'] }), predefined);
    assert.deepEqual(await listed({ dangling: ['true'] }), ['back', 'plan']);
    assert.deepEqual(await listed({ dangling: ['false'], type: ['custom'] }), ['front']);
    assert.deepEqual(await listed({ label: ['tier'], dangling: ['true'] }), ['back']);
  });

  test('that nobody knows, or of bad values, are refused', async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['{"colour":["red"]}', /invalid filter 'colour'/],
      ['{"type":["odd"]}', /invalid filter: 'type'='odd'/],
      ['{"dangling":["perhaps"]}', /invalid filter 'dangling=\[perhaps\]'/],
      ['{nonsense', /invalid filter/],
    ];
    for (const [filters, says] of cases) {
      const answer = await call('GET', `/networks?filters=${encodeURIComponent(filters)}`);
      assert.equal(answer.status, 400);
      assert.match(answer.message, says);
    }
    const answer = await call('POST', `/networks/prune?filters=${encodeURIComponent('{"driver":["bridge"]}')}`);
    assert.equal(answer.status, 400);
    assert.match(answer.message, /invalid filter 'driver'/);
    await assertUnchanged(engine.host, clean);
  });

  test('hold back what prune would remove', async () => {
    const prune = async (filters: Record<string, readonly string[]>): Promise<unknown> => {
      const { body } = await call('POST', `/networks/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`);
      return (body as { NetworksDeleted: string[] | null }).NetworksDeleted;
    };
    await docker('network create --label prune=me one');
    await docker('network create two');
    assert.equal(await prune({ label: ['prune=me'], until: ['1h'] }), null);
    assert.deepEqual(await prune({ label: ['prune=me'] }), ['one']);
    assert.deepEqual(await prune({ 'label!': ['tier'] }), ['two']);
    assert.deepEqual(await listed({ type: ['custom'] }), ['back', 'front', 'plan']);
    await assertUnchanged(engine.host, clean);
  });
});

describe('references', () => {
  test('that fit several networks are ambiguous', async () => {
    // Of seventeen ids two begin with the same digit; but names go first, so none may be one digit long.
    for (let number = 0; number < 17; number += 1) await docker(`network create --internal many-${number}`);
    const ids = (await docker('network ls -q --no-trunc')).split('\n');
    const digit = [...'0123456789abcdef'].find((one) => ids.filter((id) => id.startsWith(one)).length > 1) ?? '';
    const count = ids.filter((id) => id.startsWith(digit)).length;
    const answer = await call('GET', `/networks/${digit}`);
    assert.equal(answer.message, `network ${digit} is ambiguous (${count} matches found based on ID prefix)`);
    assert.equal(answer.status, 400);
    const names = Array.from({ length: 17 }, (_, number) => `many-${number}`);
    await engine.docker('network', 'rm', ...names);
    await assertUnchanged(engine.host, clean);
  });

  test('of a container that nobody knows are not found, by force neither', async () => {
    const gently = await call('POST', '/networks/front/disconnect', { Container: 'nobody' });
    assert.deepEqual([gently.status, gently.message], [404, 'No such container: nobody']);
    const byForce = await call('POST', '/networks/front/disconnect', { Container: 'nobody', Force: true });
    assert.deepEqual([byForce.status, byForce.message], [404, 'endpoint nobody not found']);
    await assertUnchanged(engine.host, clean);
  });
});

describe('a stopped container', () => {
  test('is connected and disconnected for its next start', async () => {
    await docker('network connect back still');
    assert.deepEqual(await networksOf('still'), ['back', 'front']);
    await assertUnchanged(engine.host, clean);
    await docker('start still');
    assert.match(await docker('exec still ip -o link'), / eth1[@:]/);
    await docker('stop -t 0 still');
    await docker('network disconnect back still');
    assert.deepEqual(await networksOf('still'), ['front']);
    const again = await call('POST', '/networks/back/disconnect', { Container: 'still' });
    assert.match(again.message, /is not connected to/);
    await assertUnchanged(engine.host, clean);
  });
});

describe('a configuration network', () => {
  test('gives others its settings, and carries no containers', async () => {
    await docker('network create --config-from plan made');
    const [made] = JSON.parse(await docker('network inspect made')) as [
      { ConfigFrom: unknown; IPAM: { Config: { Subnet: string }[] }; Options: Record<string, string> },
    ];
    assert.deepEqual(made.ConfigFrom, { Network: 'plan' });
    assert.equal(made.IPAM.Config[0]?.Subnet, '10.52.0.0/24');
    assert.equal(made.Options[`${BRIDGE}.enable_icc`], 'false');
    assert.match(await docker('run --rm --network made busybox ip addr show eth0'), /10\.52\.0\.2\/24/);
    const used = await call('DELETE', '/networks/plan');
    assert.equal(used.status, 403);
    assert.match(used.message, /configuration network "plan" is in use/);
    await docker('network rm made');
    await assertUnchanged(engine.host, clean);
  });

  test('refuses what makes no sense', async () => {
    const cases: readonly (readonly [Record<string, unknown>, number, RegExp])[] = [
      [{ ConfigFrom: { Network: 'nowhere' } }, 404, /network nowhere not found/],
      [{ ConfigFrom: { Network: 'front' } }, 403, /not a configuration network/],
      [{ ConfigFrom: { Network: 'plan' }, ConfigOnly: true }, 403, /cannot depend on another configuration network/],
      [
        { ConfigFrom: { Network: 'plan' }, Options: { a: 'b' } },
        403,
        /user specified configurations are not supported/,
      ],
    ];
    for (const [more, status, says] of cases) {
      const answer = await call('POST', '/networks/create', { Name: 'bad', ...more });
      assert.match(answer.message, says);
      assert.equal(answer.status, status, answer.message);
    }
    const joined = await call('POST', '/networks/plan/connect', { Container: 'box' });
    assert.match(joined.message, /configuration-only network/);
    assert.equal(joined.status, 403);
    await assertUnchanged(engine.host, clean);
  });
});
