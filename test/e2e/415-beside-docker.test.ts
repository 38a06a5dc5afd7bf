import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  Dockerd,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let dockerd: Dockerd;
let clean: Snapshot;
const words = (line: string): string[] => line.split(' ');
const ours = (line: string): Promise<string> => engine.docker(...words(line));
const theirs = (line: string): Promise<string> => dockerd.docker(...words(line));

before(async () => {
  const prepare = async (host: Engine['host']): Promise<void> => {
    // Who turns forwarding on closes it for everybody else.
    await host.ok(words('sysctl -qw net.ipv4.ip_forward=0'));
    dockerd = await Dockerd.start(host);
  };
  engine = await startEngine({ prepare });
  // A bridge gets its link-local address with its first port.
  await theirs('run --rm busybox true');
  clean = await snapshot(engine.host);
  await Promise.all([
    ours('run -d --name web -p 8080:80 busybox httpd -f -h /etc'),
    ours('run -d --name client busybox httpd -f -h /etc'),
    theirs('run -d --name web -p 9090:80 busybox httpd -f -h /etc'),
    theirs('run -d --name client busybox httpd -f -h /etc'),
  ]);
});
after(async () => {
  await dockerd?.stop();
  await engine?.[Symbol.asyncDispose]();
});

type Place = 'lan' | 'host' | 'ours' | 'theirs';

async function reaches(from: Place, target: string, seconds: number): Promise<boolean> {
  const command = words(`busybox timeout ${seconds} busybox wget -qO- http://${target}/group`);
  if (from === 'lan' || from === 'host') return (await engine[from].run(command)).code === 0;
  const exec = ['exec', 'client', ...command];
  if (from === 'ours') return (await engine.docker.run(exec)).code === 0;
  return dockerd.docker(...exec).then(
    () => true,
    () => false,
  );
}

async function open(...ways: readonly (readonly [from: Place, target: string])[]): Promise<void> {
  const one = ([from, target]: readonly [Place, string]): Promise<void> =>
    eventually(async () => assert.ok(await reaches(from, target, 5), `${from} should reach ${target}`));
  await Promise.all(ways.map(one));
}

/** Once {@link open} has shown that whoever is asked answers. */
async function closed(...ways: readonly (readonly [from: Place, target: string])[]): Promise<void> {
  const reached = await Promise.all(ways.map(([from, target]) => reaches(from, target, 2)));
  assert.deepEqual(reached, Array(ways.length).fill(false), ways.join(' '));
}

const addressOf = (docker: typeof ours, name: string): Promise<string> =>
  docker(`inspect -f {{.NetworkSettings.IPAddress}} ${name}`);

/** All rules but Fairway's. */
async function foreign(): Promise<string> {
  const listing = await engine.host.ok(['nft', '-s', 'list', 'ruleset']);
  const tables = listing.split(/^(?=table )/m);
  return tables
    .filter((table) => !/^table (inet|bridge) fairway(_seal\d+)? /.test(table))
    .join('')
    .trim();
}

const warnings = (): Promise<string> => ours('info -f {{.Warnings}}');

async function everythingWorks(): Promise<void> {
  const { address } = engine.host;
  const published = [`${address}:8080`, `${address}:9090`];
  const from = ['lan', 'host', 'ours', 'theirs'] as const;
  await open(...from.flatMap((place) => published.map((target) => [place, target] as const)));
  const [our, their] = await Promise.all([addressOf(ours, 'client'), addressOf(theirs, 'client')]);
  await open(['host', our], ['host', their]);
  await closed(['ours', their], ['theirs', our]);
  for (const run of [ours, theirs]) await run('exec client ping -c 1 -W 5 10.99.0.254');
}

describe('Fairway beside Docker', { timeout: 240_000 }, () => {
  test('says that Docker drops what containers send, and where to let it through', async () => {
    assert.match(await engine.host.ok(words('iptables -S FORWARD')), /^-P FORWARD DROP$/m);
    const { address } = engine.host;
    await open(['lan', `${address}:9090`]);
    await closed(['lan', `${address}:8080`]);
    const said = await warnings();
    assert.match(
      said,
      /chain FORWARD of nftables table ip filter drops forwarded packets of fairway0 \(its policy is drop\)/,
    );
    const advice = said.match(/nft insert rule ip filter DOCKER-USER [^;\]]* accept/g) ?? [];
    assert.equal(advice.length, 2, said);
    for (const script of advice) await engine.host.ok(words(script));
    assert.doesNotMatch(await warnings(), /forwarded packets/);
  });

  test('works as it does, and neither reaches into the other', everythingWorks);

  test('changes nothing of Docker’s, over networks, ports and a restart', async () => {
    const before = await foreign();
    await ours('network create --subnet 10.123.0.0/24 pond');
    await ours('run -d --name more --network pond -p 8081:80 busybox sleep 600');
    assert.equal(await foreign(), before);
    await ours('rm -f more');
    await ours('network rm pond');
    await engine.daemon.stop();
    await engine.daemon.start();
    assert.equal(await foreign(), before);
    await open(['lan', `${engine.host.address}:8080`], ['lan', `${engine.host.address}:9090`]);
  });

  test('goes on when Docker comes back', async () => {
    await theirs('kill web client');
    await dockerd.stop();
    await open(['lan', `${engine.host.address}:8080`]);
    await dockerd.start();
    await theirs('start web client');
    await everythingWorks();
    assert.doesNotMatch(await warnings(), /forwarded packets/);
  });

  test('leaves nothing behind', async () => {
    await ours('rm -f web client');
    await theirs('rm -f web client');
    await engine.host.ok(words('iptables -F DOCKER-USER'));
    await engine.host.ok(words('iptables -A DOCKER-USER -j RETURN'));
    await assertUnchanged(engine.host, clean);
  });
});
