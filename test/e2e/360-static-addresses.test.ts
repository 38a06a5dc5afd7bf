import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const docker = (line: string): Promise<string> => engine.docker(...line.split(' '));

const addressOf = (name: string, network = 'net'): Promise<string> =>
  engine.docker('inspect', '-f', `{{with index .NetworkSettings.Networks "${network}"}}{{.IPAddress}}{{end}}`, name);

const running = (name: string): Promise<string> => engine.docker('inspect', '-f', '{{.State.Running}}', name);

/** What an address's new neighbours are given, two of them; they are removed again. */
async function dynamic(): Promise<string[]> {
  const found: string[] = [];
  for (const name of ['first', 'second']) {
    await docker(`run -d --name ${name} --network net busybox sleep 600`);
    found.push(await addressOf(name));
  }
  await docker('rm -f first second');
  return found;
}

async function cleanUp(...names: string[]): Promise<void> {
  await engine.docker('rm', '-f', ...names);
  await docker('network rm net');
  await assertUnchanged(engine.host, clean);
}

describe('a configured address', () => {
  test('is kept for a container that was made, stopped, or had the daemon taken from it', async () => {
    const { daemon } = engine;
    await docker('network create --subnet 10.61.0.0/24 net');
    await docker('create --name fixed --network net --ip 10.61.0.2 busybox sleep 600');
    assert.deepEqual(await dynamic(), ['10.61.0.3', '10.61.0.4']);
    await docker('start fixed');
    assert.equal(await addressOf('fixed'), '10.61.0.2');
    await docker('stop -t 0 fixed');
    assert.deepEqual(await dynamic(), ['10.61.0.3', '10.61.0.4']);
    assert.equal(await daemon.stop(), 0);
    await daemon.start();
    assert.deepEqual(await dynamic(), ['10.61.0.3', '10.61.0.4']);
    await daemon.killHard();
    await daemon.start();
    assert.deepEqual(await dynamic(), ['10.61.0.3', '10.61.0.4']);
    await docker('start fixed');
    assert.equal(await addressOf('fixed'), '10.61.0.2');
    // Taken over while it runs: it is kept from the moment it stops.
    await daemon.killHard();
    await daemon.start();
    await docker('stop -t 0 fixed');
    assert.deepEqual(await dynamic(), ['10.61.0.3', '10.61.0.4']);
    await docker('rm fixed');
    assert.deepEqual(await dynamic(), ['10.61.0.2', '10.61.0.3']);
    await docker('network rm net');
    await assertUnchanged(engine.host, clean);
  });

  test('is there when the machine comes back, however many others start first', async () => {
    const { daemon, host } = engine;
    await docker('network create --subnet 10.61.0.0/24 net');
    const others = ['a1', 'a2', 'a3'];
    for (const name of others) await docker(`run -d --name ${name} --restart always --network net busybox sleep 600`);
    for (const name of others) await docker(`network disconnect net ${name}`);
    await docker('run -d --name fixed --restart always --network net --ip 10.61.0.2 busybox sleep 600');
    await docker('create --name idle --network net --ip 10.61.0.3 busybox sleep 600');
    for (const name of others) await docker(`network connect net ${name}`);
    await daemon.killHard();
    await host.loseAllButDisk();
    await daemon.start();
    await eventually(async () => {
      for (const name of [...others, 'fixed']) assert.equal(await running(name), 'true', name);
    });
    assert.equal(await addressOf('fixed'), '10.61.0.2');
    const given = await Promise.all(others.map((name) => addressOf(name)));
    assert.deepEqual(given.sort(), ['10.61.0.4', '10.61.0.5', '10.61.0.6']);
    await docker('start idle');
    assert.equal(await addressOf('idle'), '10.61.0.3');
    await docker('exec a1 ping -c 1 -W 5 10.61.0.2');
    await docker('exec a1 ping -c 1 -W 5 idle');
    await cleanUp(...others, 'fixed', 'idle');
  });

  test('may be that of several containers, of which one runs', async () => {
    await docker('network create --subnet 10.61.0.0/24 net');
    await docker('run -d --name old --network net --ip 10.61.0.7 busybox sleep 600');
    // As one replaces a container: the new one is made first.
    await docker('create --name new --network net --ip 10.61.0.7 busybox sleep 600');
    const early = await engine.docker.run(['start', 'new']);
    assert.match(early.stderr, /failed to set up container networking: Address already in use/);
    await docker('stop -t 0 old');
    await docker('start new');
    const late = await engine.docker.run(['start', 'old']);
    assert.match(late.stderr, /failed to set up container networking: Address already in use/);
    await docker('rm old');
    assert.equal(await addressOf('new'), '10.61.0.7');
    await docker('restart -t 0 new');
    assert.equal(await addressOf('new'), '10.61.0.7');
    await cleanUp('new');
  });

  test('follows connect and disconnect of a stopped container', async () => {
    await docker('network create --subnet 10.61.0.0/24 net');
    await docker('create --name moved busybox sleep 600');
    const outside = await engine.docker.run(['network', 'connect', '--ip', '10.62.0.2', 'net', 'moved']);
    assert.match(outside.stderr, /no configured subnet contains IP address 10\.62\.0\.2/);
    assert.equal(await addressOf('moved'), '', 'a refused connect left its mark');
    await docker('network connect --ip 10.61.0.2 net moved');
    assert.deepEqual(await dynamic(), ['10.61.0.3', '10.61.0.4']);
    await docker('network connect --ip 10.61.0.3 net moved');
    assert.deepEqual(await dynamic(), ['10.61.0.2', '10.61.0.4']);
    await docker('network disconnect net moved');
    assert.deepEqual(await dynamic(), ['10.61.0.2', '10.61.0.3']);
    await docker('start moved');
    await docker('network connect --ip 10.61.0.2 net moved');
    assert.deepEqual(await dynamic(), ['10.61.0.3', '10.61.0.4']);
    await docker('network disconnect net moved');
    assert.deepEqual(await dynamic(), ['10.61.0.2', '10.61.0.3']);
    await cleanUp('moved');
  });

  test('is kept in both families, and belongs to the new network of the same name', async () => {
    await docker('network create --ipv6 --subnet 10.61.0.0/24 --subnet fd61::/64 net');
    await docker('create --name fixed --network net --ip 10.61.0.2 --ip6 fd61::2 busybox sleep 600');
    assert.deepEqual(await dynamic(), ['10.61.0.3', '10.61.0.4']);
    await docker('run -d --name six --network net busybox sleep 600');
    assert.match(await docker('exec six ip -6 addr show eth0'), /fd61::3\/64/);
    await docker('rm -f six');
    await docker('network rm net');
    await docker('network create --ipv6 --subnet 10.61.0.0/24 --subnet fd61::/64 net');
    await docker('start fixed');
    assert.match(await docker('exec fixed ip addr show eth0'), /10\.61\.0\.2\/24[\s\S]*fd61::2\/64/);
    await docker('stop -t 0 fixed');
    assert.deepEqual(await dynamic(), ['10.61.0.3', '10.61.0.4']);
    await cleanUp('fixed');
  });
});
