import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Engine, eventually, Firewalld, startEngine, timeUntil } from '../support/index.ts';

let engine: Engine;
let firewalld: Firewalld;
const docker = (line: string): Promise<string> => engine.docker(...line.split(' '));

before(async () => {
  const prepare = async (host: Engine['host']): Promise<void> => {
    firewalld = await Firewalld.start(host);
  };
  engine = await startEngine({ prepare });
  await docker('network create pond');
  await docker('run -d --name web -p 8080:80 busybox httpd -f -h /etc');
  await docker('run -d --name client busybox httpd -f -h /etc');
  await docker('run -d --name stranger --network pond busybox httpd -f -h /etc');
});
after(() => engine?.[Symbol.asyncDispose]());

const bridge = async (): Promise<string> => `br-${(await docker('network inspect -f {{.Id}} pond')).slice(0, 12)}`;
const addressOf = (name: string): Promise<string> =>
  docker(`inspect -f {{range.NetworkSettings.Networks}}{{.IPAddress}}{{end}} ${name}`);
const ask = (target: string): string[] => `busybox timeout 5 busybox wget -qO- http://${target}/group`.split(' ');
const asks = async (name: string, target: string): Promise<boolean> =>
  (await engine.docker.run(['exec', name, ...ask(target)])).code === 0;
const leaves = async (name: string): Promise<boolean> =>
  (await engine.docker.run(['exec', name, ...'ping -c 1 -W 5 10.99.0.254'.split(' ')])).code === 0;

/** The published port, from the LAN, the host and a container; out of two bridges; apart from each other. */
async function everythingWorks(): Promise<void> {
  const { host, lan } = engine;
  const target = `${host.address}:8080`;
  const stranger = await addressOf('stranger');
  const web = await addressOf('web');
  const ways: Readonly<Record<string, () => Promise<boolean>>> = {
    'the published port from the LAN': async () => (await lan.run(ask(target))).code === 0,
    'the published port from the host': async () => (await host.run(ask(target))).code === 0,
    'the published port from a container': () => asks('client', target),
    'a neighbour': () => asks('client', web),
    'a container from the host': async () => (await host.run(ask(stranger))).code === 0,
    'the LAN from one bridge': () => leaves('client'),
    'the LAN from the other': () => leaves('stranger'),
  };
  const tries = Object.entries(ways).map(([what, way]) => eventually(async () => assert.ok(await way(), what)));
  await Promise.all(tries);
  assert.equal(await asks('client', stranger), false, 'networks are apart');
}

/** firewalld's table, and nothing else, in the order nft prints it. */
const theirs = (): Promise<string> => engine.host.ok(['nft', '-s', 'list', 'table', 'inet', 'firewalld']);
const warnings = (): Promise<string> => docker('info -f {{.Warnings}}');

describe('Fairway beside firewalld', { timeout: 240_000 }, () => {
  test('says that what containers send is dropped, until their bridges are in a zone that lets it', async () => {
    const { lan, host } = engine;
    await eventually(async () => assert.equal((await lan.run(ask(`${host.address}:8080`))).code, 0));
    assert.equal(await leaves('client'), false);
    assert.match(await warnings(), /table inet firewalld drops forwarded packets of fairway0, br-/);
    const bridges = ['fairway0', await bridge()].map((name) => `--add-interface=${name}`);
    await firewalld.command('--permanent', '--zone=trusted', ...bridges);
    await firewalld.command('--reload');
    await everythingWorks();
    assert.doesNotMatch(await warnings(), /forwarded packets/);
  });

  test('goes on over a reload, and changes nothing of it', async (t) => {
    const ours = (): Promise<string> => engine.host.ok(['nft', '-s', 'list', 'table', 'inet', 'fairway']);
    const [our, their] = [await ours(), await theirs()];
    await firewalld.command('--reload');
    assert.equal(await ours(), our);
    const time = await timeUntil(async () => assert.equal((await engine.fairway.run(['verify'])).code, 0));
    t.diagnostic(`a reload of firewalld: as it should be after ${time}, the start of \`fairway verify\` included`);
    await docker('run -d --name more -p 8081:80 busybox sleep 600');
    await docker('rm -f more');
    await engine.daemon.stop();
    await engine.daemon.start();
    assert.equal(await theirs(), their);
    await everythingWorks();
  });
});
