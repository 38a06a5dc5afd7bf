import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import {
  type ApiAnswer,
  assertUnchanged,
  type Engine,
  eventually,
  filtersQuery,
  RawApi,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

// The calls that `docker compose` (v2) makes for a project, in its order, with all that it reads of the answers. The plugin
// itself is no package of Debian's or npm's.

const PROJECT = 'com.docker.compose.project';
const SERVICE = 'com.docker.compose.service';
const HASH = 'com.docker.compose.config-hash';
const NUMBER = 'com.docker.compose.container-number';
const ONEOFF = 'com.docker.compose.oneoff';

let engine: Engine;
let clean: Snapshot;
let api: RawApi;

before(async () => {
  engine = await startEngine();
  api = new RawApi(engine.daemon.socket, '1.51');
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

async function expect(status: number, method: string, path: string, body?: unknown): Promise<ApiAnswer> {
  const answer = await api.call(method, path, body);
  assert.equal(answer.status, status, `${method} ${path}: ${answer.message}`);
  return answer;
}

interface Summary {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly State: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Mounts: readonly { readonly Type: string; readonly Name?: string; readonly Destination: string }[];
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly NetworkID: string }>> };
}

interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly Config: { readonly Labels: Record<string, string>; readonly Tty: boolean; readonly Healthcheck?: object };
  readonly State: { readonly Status: string; readonly ExitCode: number; readonly Health?: { readonly Status: string } };
  readonly NetworkSettings: {
    readonly Networks: Record<string, { readonly IPAddress: string; readonly Aliases: readonly string[] | null }>;
    readonly Ports: Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>;
  };
}

/** The project's containers; those of one service when one is named. */
async function containers(options: { readonly service?: string; readonly all?: boolean } = {}): Promise<Summary[]> {
  const { service, all = true } = options;
  const label = [`${PROJECT}=shop`, HASH, `${ONEOFF}=False`, ...(service ? [`${SERVICE}=${service}`] : [])];
  const query = `${all ? 'all=1&' : ''}${filtersQuery({ label })}`;
  return (await expect(200, 'GET', `/containers/json?${query}`)).body as Summary[];
}

async function inspect(id: string): Promise<Inspected> {
  return (await expect(200, 'GET', `/containers/${id}/json`)).body as Inspected;
}

interface ServicePlan {
  readonly command: readonly string[];
  readonly networks: Readonly<Record<string, object>>;
  readonly volumes?: readonly string[];
  readonly healthcheck?: object;
  readonly ports?: object;
}

const SERVICES: Readonly<Record<string, ServicePlan>> = {
  db: {
    command: ['sh', '-c', 'sleep 0.3; touch /data/ready; echo the database is ready; exec httpd -f -h /data'],
    networks: { back: { IPAMConfig: { IPv4Address: '10.44.0.10' } } },
    volumes: ['shop_data:/data:rw'],
    healthcheck: { Test: ['CMD', 'test', '-e', '/data/ready'], Interval: 200_000_000, Retries: 200 },
  },
  web: {
    command: ['sh', '-c', 'n=0; while true; do n=$((n+1)); echo line $n; sleep 0.1; done'],
    networks: { back: { IPAMConfig: {}, GwPriority: 0 }, front: { IPAMConfig: null, GwPriority: 1 } },
    ports: { '80/tcp': [{ HostIp: '', HostPort: '' }] },
  },
};

/** `POST /containers/create` as compose makes it, all networks at once, and what it reads of the new container. */
async function create(
  service: string,
  number: number,
  options: { name?: string; replaces?: string } = {},
): Promise<string> {
  const plan = SERVICES[service];
  assert.ok(plan);
  const own = `shop-${service}-${number}`;
  const { name = own, replaces } = options;
  const [main = ''] = Object.keys(plan.networks);
  const answer = await expect(201, 'POST', `/containers/create?name=${name}`, {
    Hostname: '',
    Cmd: plan.command,
    Image: 'busybox',
    Entrypoint: null,
    Volumes: null,
    AttachStdout: true,
    AttachStderr: true,
    ExposedPorts: Object.fromEntries(Object.keys(plan.ports ?? {}).map((port) => [port, {}])),
    Healthcheck: plan.healthcheck ?? null,
    StopTimeout: 0,
    Labels: {
      [PROJECT]: 'shop',
      [SERVICE]: service,
      [HASH]: `hash-of-${service}`,
      [NUMBER]: String(number),
      [ONEOFF]: 'False',
      'com.docker.compose.depends_on': '',
      ...(replaces === undefined ? {} : { 'com.docker.compose.replace': replaces }),
    },
    HostConfig: {
      Binds: plan.volumes ?? null,
      Mounts: null,
      NetworkMode: `shop_${main}`,
      PortBindings: plan.ports ?? {},
      RestartPolicy: { Name: '', MaximumRetryCount: 0 },
      LogConfig: { Type: '', Config: null },
      ConsoleSize: [0, 0],
      ExtraHosts: [],
      Links: null,
    },
    NetworkingConfig: {
      EndpointsConfig: Object.fromEntries(
        Object.entries(plan.networks).map(([network, settings]) => [
          `shop_${network}`,
          { Aliases: [own, service], Links: null, DriverOpts: null, IPAddress: '', MacAddress: '', ...settings },
        ]),
      ),
    },
  });
  const { Id, Warnings } = answer.body as { Id: string; Warnings: string[] | null };
  assert.deepEqual(Warnings ?? [], []);
  const made = await inspect(Id);
  assert.equal(made.Name, `/${name}`);
  assert.equal(made.Config.Labels[SERVICE], service);
  assert.deepEqual(
    Object.keys(made.NetworkSettings.Networks).sort(),
    Object.keys(plan.networks).map((one) => `shop_${one}`),
  );
  return Id;
}

/** `GET /networks/NAME`, then by name, then create; gives the id. */
async function ensureNetwork(key: string, more: object): Promise<string> {
  const name = `shop_${key}`;
  const found = await api.call('GET', `/networks/${name}`);
  if (found.status === 200) {
    const { Name, Id, Labels } = found.body as { Name: string; Id: string; Labels: Record<string, string> };
    assert.deepEqual([Name, Labels['com.docker.compose.network'], Labels[HASH]], [name, key, 'hash']);
    return Id;
  }
  assert.deepEqual([found.status, found.message], [404, `network ${name} not found`]);
  assert.deepEqual((await expect(200, 'GET', `/networks?${filtersQuery({ name: [name] })}`)).body, []);
  const made = await expect(201, 'POST', '/networks/create', {
    Name: name,
    Driver: '',
    Labels: { [PROJECT]: 'shop', 'com.docker.compose.network': key, [HASH]: 'hash' },
    Options: null,
    ...more,
  });
  return (made.body as { Id: string }).Id;
}

async function ensureVolume(): Promise<void> {
  const found = await api.call('GET', '/volumes/shop_data');
  const labels = { [PROJECT]: 'shop', 'com.docker.compose.volume': 'data', [HASH]: 'hash' };
  if (found.status === 200) {
    assert.deepEqual((found.body as { Labels: unknown }).Labels, labels);
    return;
  }
  assert.deepEqual([found.status, found.message], [404, 'get shop_data: no such volume']);
  await expect(201, 'POST', '/volumes/create', { Name: 'shop_data', Labels: labels, Driver: '', DriverOpts: null });
}

async function healthy(id: string): Promise<void> {
  await eventually(async () => {
    const { State, Config } = await inspect(id);
    assert.ok(Config.Healthcheck);
    assert.equal(State.Status, 'running');
    assert.equal(State.Health?.Status, 'healthy');
  });
}

/** `compose exec`: its status and output. */
async function exec(service: string, ...Cmd: string[]): Promise<{ code: number; output: string }> {
  const label = [`${PROJECT}=shop`, `${SERVICE}=${service}`, HASH, `${ONEOFF}=False`, `${NUMBER}=1`];
  const found = await expect(200, 'GET', `/containers/json?${filtersQuery({ label })}`);
  const [{ Id } = { Id: '' }] = found.body as Summary[];
  const made = await expect(201, 'POST', `/containers/${Id}/exec`, { Cmd, AttachStdout: true, AttachStderr: true });
  const { Id: execId } = made.body as { Id: string };
  const { socket, head } = await api.hijack(`/exec/${execId}/start`, { Detach: false, Tty: false });
  const output = Buffer.concat([head, Buffer.from(await text(socket as Readable), 'latin1')]).toString('latin1');
  const state = (await expect(200, 'GET', `/exec/${execId}/json`)).body as { Running: boolean; ExitCode: number };
  assert.equal(state.Running, false);
  return { code: state.ExitCode, output: output.slice(8) };
}

/** What has been said so far on a stream of framed output or of lines. */
function listen(stream: Readable): () => string {
  let said = '';
  stream.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  return () => said;
}

async function up(): Promise<void> {
  assert.equal((await expect(200, 'GET', '/images/busybox/json')).status, 200);
  const networks = {
    shop_back: await ensureNetwork('back', { Internal: true, IPAM: { Config: [{ Subnet: '10.44.0.0/24' }] } }),
    shop_front: await ensureNetwork('front', {}),
  };
  await ensureVolume();
  const before = await containers();
  for (const service of Object.keys(SERVICES)) {
    const present = before.find(({ Labels }) => Labels[SERVICE] === service);
    if (!present) {
      await create(service, 1);
      continue;
    }
    // Up to date: the hash, the networks of a running one by id, the volumes by name.
    assert.equal(present.Labels[HASH], `hash-of-${service}`);
    for (const network of Object.keys(SERVICES[service]?.networks ?? {})) {
      const id = networks[`shop_${network}` as keyof typeof networks];
      assert.ok(Object.values(present.NetworkSettings.Networks).some(({ NetworkID }) => NetworkID === id));
    }
    if (service === 'db') assert.equal(present.Mounts.find(({ Type }) => Type === 'volume')?.Name, 'shop_data');
  }
  const all = await containers();
  const [db] = all.filter(({ Labels }) => Labels[SERVICE] === 'db');
  const [web] = all.filter(({ Labels }) => Labels[SERVICE] === 'web');
  assert.ok(db && web);
  if (db.State !== 'running') await expect(204, 'POST', `/containers/${db.Id}/start`);
  await healthy(db.Id);
  if (web.State !== 'running') await expect(204, 'POST', `/containers/${web.Id}/start`);
}

describe('the calls of docker compose v2', () => {
  test('begin with who it speaks to', async () => {
    const ping = await new RawApi(engine.daemon.socket, '').call('HEAD', '/_ping');
    assert.equal(ping.headers['api-version'], '1.51');
    assert.equal(ping.headers.ostype, 'linux');
    const version = (await expect(200, 'GET', '/version')).body as Record<string, unknown>;
    assert.deepEqual([version.ApiVersion, version.Os], ['1.51', 'linux']);
    const info = (await expect(200, 'GET', '/info')).body as Record<string, unknown> & { Swarm: object };
    assert.equal((info.Swarm as { LocalNodeState: string }).LocalNodeState, 'inactive');
    assert.equal(info.OSType, 'linux');
    assert.ok(Array.isArray(info.SecurityOptions));
  });

  test('up -d makes networks, volume and containers, in the order of health; a second one changes nothing', async () => {
    await up();
    const first = (await containers()).map(({ Id }) => Id).sort();
    await up();
    assert.deepEqual((await containers()).map(({ Id }) => Id).sort(), first);
    const [db] = await containers({ service: 'db' });
    const { NetworkSettings } = await inspect(db?.Id ?? '');
    assert.equal(NetworkSettings.Networks.shop_back?.IPAddress, '10.44.0.10');
    assert.deepEqual(NetworkSettings.Networks.shop_back?.Aliases, ['shop-db-1', 'db']);
    for (const name of ['db', 'shop-db-1', '10.44.0.10']) {
      assert.equal((await exec('web', 'ping', '-c', '1', '-W', '5', name)).code, 0, name);
    }
    // gw_priority: the way out is by the other network, which is not internal either way.
    assert.match((await exec('web', 'ip', 'route')).output, /default via 172\./);
  });

  test('ps, port, top, images, ls', async () => {
    const shown = await containers({ all: false });
    assert.deepEqual(shown.map(({ Names }) => Names[0]).sort(), ['/shop-db-1', '/shop-web-1']);
    const [web] = await containers({ service: 'web' });
    const { NetworkSettings } = await inspect(web?.Id ?? '');
    assert.match(NetworkSettings.Ports['80/tcp']?.[0]?.HostPort ?? '', /^\d+$/);
    const top = (await expect(200, 'GET', `/containers/${web?.Id}/top`)).body as {
      Titles: string[];
      Processes: string[][];
    };
    assert.ok(top.Titles.includes('CMD') && top.Processes.length > 0);
    const images = await expect(200, 'GET', `/images/json?${filtersQuery({ reference: ['busybox'] })}`);
    assert.equal((images.body as unknown[]).length, 1);
    assert.equal(
      (await expect(200, 'GET', `/containers/json?all=1&${filtersQuery({ label: [PROJECT] })}`)).status,
      200,
    );
  });

  test('logs -f follows, beside events', async () => {
    const [web] = await containers({ service: 'web' });
    const id = web?.Id ?? '';
    assert.equal((await inspect(id)).Config.Tty, false);
    const logs = await api.stream('GET', `/containers/${id}/logs?follow=1&stdout=1&stderr=1&tail=2&timestamps=1`);
    assert.equal(logs.headers['content-type'], 'application/vnd.docker.multiplexed-stream');
    const events = await api.stream(
      'GET',
      `/events?${filtersQuery({ type: ['container'], label: [`${PROJECT}=shop`] })}`,
    );
    const logged = listen(logs);
    const told = listen(events);
    await eventually(() => assert.ok((logged().match(/Z line \d+\n/g)?.length ?? 0) > 4));
    await expect(204, 'POST', `/containers/${id}/restart?t=0`);
    await eventually(() => assert.match(told(), /"Action":"restart"/));
    const seen = told()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { Action: string; Actor: { ID: string; Attributes: Record<string, string> } });
    const actions = seen.map(({ Action }) => Action).filter((action) => !/^(exec|top|health)/.test(action));
    // One kill for each signal that it took.
    assert.deepEqual([...new Set(actions)], ['kill', 'die', 'stop', 'start', 'restart']);
    const died = seen.find(({ Action }) => Action === 'die');
    assert.equal(died?.Actor.ID, id);
    assert.deepEqual([died?.Actor.Attributes[SERVICE], died?.Actor.Attributes[NUMBER]], ['web', '1']);
    assert.match(died?.Actor.Attributes.exitCode ?? '', /^\d+$/);
    logs.destroy();
    events.destroy();
  });

  test('exec gives output and status; attach and wait what the process does', async () => {
    assert.deepEqual(await exec('web', 'sh', '-c', 'echo out; exit 3'), { code: 3, output: 'out\n' });
    const [db] = await containers({ service: 'db' });
    const attach = await api.hijack(`/containers/${db?.Id}/attach?stream=1&stdout=1&stderr=1&logs=1`);
    const said = listen(attach.socket as Readable);
    await eventually(() => assert.match(attach.head.toString('latin1') + said(), /the database is ready/));
    attach.socket.destroy();
    const wait = await api.stream('POST', `/containers/${db?.Id}/wait?condition=not-running`);
    await expect(204, 'POST', `/containers/${db?.Id}/restart?t=0`);
    assert.deepEqual(JSON.parse(await text(wait)), { StatusCode: 137 });
    await healthy(db?.Id ?? '');
  });

  test('recreate: beside the old one under another name and the same address, then in its place', async () => {
    const [old] = await containers({ service: 'db' });
    const oldId = old?.Id ?? '';
    const id = await create('db', 1, { name: `${oldId.slice(0, 12)}_shop-db-1`, replaces: oldId });
    await expect(204, 'POST', `/containers/${oldId}/stop`);
    await expect(204, 'DELETE', `/containers/${oldId}`);
    await expect(204, 'POST', `/containers/${id}/rename?name=shop-db-1`);
    await expect(204, 'POST', `/containers/${id}/start`);
    await healthy(id);
    const { Name, NetworkSettings } = await inspect(id);
    assert.equal(Name, '/shop-db-1');
    assert.equal(NetworkSettings.Networks.shop_back?.IPAddress, '10.44.0.10');
    assert.equal((await exec('web', 'ping', '-c', '1', '-W', '5', 'shop-db-1')).code, 0);
  });

  test('scale up and down, one name for all', async () => {
    const more = [await create('web', 2), await create('web', 3)];
    for (const id of more) await expect(204, 'POST', `/containers/${id}/start`);
    const addresses = async (): Promise<number> =>
      (await exec('db', 'nslookup', 'web')).output.split('\n').filter((line) => /^Address.* 10\.44\./.test(line))
        .length;
    await eventually(async () => assert.equal(await addresses(), 3));
    assert.equal((await containers({ service: 'web' })).length, 3);
    for (const id of more) {
      await expect(204, 'POST', `/containers/${id}/stop`);
      await expect(204, 'DELETE', `/containers/${id}?force=1`);
    }
    await eventually(async () => assert.equal(await addresses(), 1));
  });

  test('an older client connects the further networks one by one', async () => {
    const older = new RawApi(engine.daemon.socket, '1.43');
    const made = await older.call('POST', '/containers/create?name=older', {
      Image: 'busybox',
      Cmd: ['sleep', '600'],
      HostConfig: { NetworkMode: 'shop_back' },
      NetworkingConfig: { EndpointsConfig: { shop_back: { Aliases: ['older'] } } },
    });
    const { Id } = made.body as { Id: string };
    const joined = await older.call('POST', '/networks/shop_front/connect', {
      Container: Id,
      EndpointConfig: { Aliases: ['older', 'elder'], IPAMConfig: {}, Links: null },
    });
    assert.equal(joined.status, 200, joined.message);
    await expect(204, 'POST', `/containers/${Id}/start`);
    const networks = ((await older.call('GET', `/containers/${Id}/json`)).body as Inspected).NetworkSettings.Networks;
    assert.deepEqual(Object.keys(networks), ['shop_back', 'shop_front']);
    assert.deepEqual(networks.shop_front?.Aliases, ['older', 'elder', Id.slice(0, 12)]);
    assert.equal((await exec('web', 'ping', '-c', '1', '-W', '5', 'elder')).code, 0);
    await expect(204, 'DELETE', `/containers/${Id}?force=1&v=1`);
  });

  test('down -v', async () => {
    for (const { Id } of await containers()) {
      await expect(204, 'POST', `/containers/${Id}/stop`);
      await expect(204, 'DELETE', `/containers/${Id}?force=1&v=1`);
    }
    for (const key of ['back', 'front']) {
      const label = [`${PROJECT}=shop`, `com.docker.compose.network=${key}`];
      const found = (await expect(200, 'GET', `/networks?${filtersQuery({ label })}`)).body as {
        Id: string;
        Name: string;
      }[];
      assert.deepEqual(
        found.map(({ Name }) => Name),
        [`shop_${key}`],
      );
      const id = found[0]?.Id ?? '';
      assert.deepEqual(((await expect(200, 'GET', `/networks/${id}`)).body as { Containers: object }).Containers, {});
      await expect(204, 'DELETE', `/networks/${id}`);
    }
    await expect(204, 'DELETE', '/volumes/shop_data?force=1');
    assert.deepEqual(await containers(), []);
    await assertUnchanged(engine.host, clean);
  });
});
