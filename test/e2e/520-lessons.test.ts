import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  NameProbe,
  RawApi,
  type Snapshot,
  snapshot,
  startEngine,
  timeUntil,
} from '../support/index.ts';
import { stopChild } from '../support/lan.ts';

// One test for each mistake that container engines have made before, named by where it was published. Those that another
// file shows are in the table of docs/reliability.md.

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const words = (line: string): string[] => line.split(' ');
const docker = (line: string): Promise<string> => engine.docker(...words(line));
const pidOf = (name: string): Promise<string> => docker(`inspect -f {{.State.Pid}} ${name}`);

/** A process stands for a container that is entered without the daemon. */
type Place = 'lan' | 'host' | { readonly container: string } | { readonly pid: string };

async function reaches(from: Place, target: string, seconds: number): Promise<boolean> {
  const command = words(`busybox timeout ${seconds} busybox wget -qO- http://${target}/group`);
  const run = (): ReturnType<Engine['host']['run']> => {
    if (typeof from === 'string') return engine[from].run(command);
    if ('pid' in from) return engine.host.run(['nsenter', '-t', from.pid, '-n', ...command]);
    return engine.docker.run(['exec', from.container, ...command]);
  };
  const result = await run();
  return result.code === 0 && result.stdout.includes('root');
}

const open = (from: Place, target: string): Promise<void> =>
  eventually(async () => assert.ok(await reaches(from, target, 5), `${JSON.stringify(from)} should reach ${target}`));

async function closed(from: Place, target: string): Promise<void> {
  assert.ok(!(await reaches(from, target, 1)), `${JSON.stringify(from)} should not reach ${target}`);
}

const lookUp = async (container: string, name: string): Promise<string> =>
  (await engine.docker.run(['exec', container, 'nslookup', '-type=a', name])).stdout;

async function end(containers: string, networks: string): Promise<void> {
  await docker(`rm -f ${containers}`);
  if (networks !== '') await docker(`network rm ${networks}`);
  await assertUnchanged(engine.host, clean);
}

describe('CVE-2020-8558: what listens on the loopback of the host', { timeout: 120_000 }, () => {
  test('is out of reach for a container that may change its own routes', async () => {
    const { host } = engine;
    await docker('run -d --name web -p 127.0.0.1:8081:80 busybox httpd -f -h /etc');
    await docker(
      'run -d --name player --cap-add NET_ADMIN --sysctl net.ipv4.conf.all.route_localnet=1 busybox sleep 600',
    );
    await host.ok(['sh', '-c', 'busybox httpd -p 127.0.0.1:7070 -h /etc; busybox httpd -p 7071 -h /etc']);
    await open('host', '127.0.0.1:7070');
    await open('host', '127.0.0.1:8081');
    await docker('exec player ip addr del 127.0.0.1/8 dev lo');
    await docker('exec player ip route add 127.0.0.0/8 via 172.17.0.1 src 172.17.0.3');
    // The gateway is there and answers; only what is addressed to loopback is not taken.
    await open({ container: 'player' }, '172.17.0.1:7071');
    await closed({ container: 'player' }, '127.0.0.1:7070');
    await closed({ container: 'player' }, '127.0.0.1:8081');
    for (const { pid, command } of host.processes()) if (command === 'busybox') process.kill(pid);
    await end('web player', '');
  });
});

describe('CVE-2024-29018 and moby#47822: names from outside', { timeout: 120_000 }, () => {
  test('are not fetched by the host for a container of an internal network, not from servers of its own either', async () => {
    await docker('network create --internal closed');
    await docker('run -d --name inside --network closed --dns 10.99.0.254 busybox sleep 600');
    assert.match(await lookUp('inside', 'inside'), /Address: 172\./);
    assert.doesNotMatch(await lookUp('inside', 'one.lan.test'), /Address: 10\.99\.0\.254/);
    await end('inside', 'closed');
  });

  test('are answered for a container of an internal network and another, for as long as it is on both', async () => {
    await docker('network create --internal closed');
    await docker('network create outer');
    // In both orders: which of them was first must not matter.
    await docker('run -d --name inner --network closed busybox sleep 600');
    await docker('network connect outer inner');
    await docker('run -d --name outer --network outer busybox sleep 600');
    await docker('network connect closed outer');
    for (const name of ['inner', 'outer']) {
      assert.match(await lookUp(name, 'one.lan.test'), /Address: 10\.99\.0\.254/, name);
      assert.match(await lookUp(name, 'inner'), /Address: 172\./, name);
      await docker(`network disconnect outer ${name}`);
      assert.doesNotMatch(await lookUp(name, 'two.lan.test'), /Address: 10\.99\.0\.254/, name);
      await docker(`network connect outer ${name}`);
      assert.match(await lookUp(name, 'three.lan.test'), /Address: 10\.99\.0\.254/, name);
    }
    await end('inner outer', 'closed outer');
  });
});

describe('CVE-2025-54410 and CVE-2025-54388: after a firewall was flushed', { timeout: 240_000 }, () => {
  const firewalld =
    'add table inet firewalld; add chain inet firewalld c { type filter hook forward priority 10; policy accept; }';
  const flushes: Readonly<Record<string, () => Promise<unknown>>> = {
    'nft flush ruleset': () => engine.host.ok(words('nft flush ruleset')),
    // What firewalld does to iptables (FlushAllOnReload) and to its own table.
    'a reload of firewalld': () =>
      engine.host.ok([
        'sh',
        '-ec',
        `for tables in iptables ip6tables; do for table in filter nat mangle raw; do
           $tables-nft -t $table -F; $tables-nft -t $table -X; done; done
         nft '${firewalld}'; nft 'delete table inet firewalld; ${firewalld}'; nft delete table inet firewalld`,
      ]),
    'a flush while no daemon lives': async () => {
      await engine.daemon.killHard();
      await engine.host.ok(words('nft flush ruleset'));
      await engine.daemon.start();
    },
  };

  test('networks stay apart, and what is published on loopback stays there', async (t) => {
    const { host, lan } = engine;
    await docker('network create --subnet 172.30.1.0/24 one');
    await docker('network create --subnet 172.30.2.0/24 two');
    await docker('network create --internal --subnet 172.30.3.0/24 closed');
    await docker('run -d --name web --network one -p 8080:80 -p 127.0.0.1:8081:80 busybox httpd -f -h /etc');
    await docker('run -d --name friend --network one busybox sleep 600');
    await docker('run -d --name stranger --network two busybox sleep 600');
    await docker('run -d --name inside --network closed busybox sleep 600');
    await lan.ok(words(`ip route add 172.30.1.0/24 via ${host.address}`));
    await lan.ok(['sh', '-c', 'busybox httpd -p 7000 -h /etc']);
    const allIsWell = async (): Promise<void> => {
      await Promise.all([
        open('lan', `${host.address}:8080`),
        open('host', '127.0.0.1:8081'),
        open({ container: 'friend' }, 'web'),
        open({ container: 'stranger' }, '10.99.0.254:7000'),
      ]);
      await Promise.all([
        closed({ container: 'stranger' }, '172.30.1.2'),
        closed({ container: 'stranger' }, `${host.address}:8081`),
        closed({ container: 'inside' }, '10.99.0.254:7000'),
        closed('lan', '172.30.1.2'),
        closed('lan', `${host.address}:8081`),
      ]);
    };
    await allIsWell();
    for (const [what, flush] of Object.entries(flushes)) {
      await flush();
      const time = await timeUntil(async () => assert.equal((await engine.fairway.run(['verify'])).code, 0, what));
      t.diagnostic(`${what}: as it should be after ${time}, the start of \`fairway verify\` included`);
      await allIsWell();
    }
    // Between the flush and its repair, with a daemon that does nothing, and without one.
    const [friend, stranger, inside] = await Promise.all(
      ['friend', 'stranger', 'inside'].map(async (name) => ({ pid: await pidOf(name) })),
    );
    const nothingPasses = async (): Promise<void> => {
      assert.doesNotMatch(await host.ok(words('nft list tables')), /^table inet fairway$/m);
      await Promise.all([
        open(friend ?? 'lan', '172.30.1.2'),
        open('host', '172.30.1.2'),
        closed(stranger ?? 'lan', '172.30.1.2'),
        closed(stranger ?? 'lan', '10.99.0.254:7000'),
        closed(inside ?? 'lan', '10.99.0.254:7000'),
        closed('lan', '172.30.1.2'),
        closed('lan', `${host.address}:8081`),
      ]);
    };
    engine.daemon.signal('SIGSTOP');
    await host.ok(words('nft flush ruleset'));
    await nothingPasses();
    engine.daemon.signal('SIGCONT');
    await eventually(async () => assert.equal((await engine.fairway.run(['verify'])).code, 0));
    await allIsWell();
    await engine.daemon.killHard();
    await host.ok(words('nft flush ruleset'));
    await nothingPasses();
    await engine.daemon.start();
    await allIsWell();
    await lan.ok(words('ip route del 172.30.1.0/24'));
    await docker('rm -f web friend stranger inside');
    await docker('network rm one two closed');
    for (const family of ['ip', 'ip6']) {
      for (const table of ['filter', 'nat', 'mangle', 'raw']) await host.run(['nft', 'delete', 'table', family, table]);
    }
    await assertUnchanged(host, clean);
    // Nothing of it stays when there is neither a daemon nor a container.
    await engine.daemon.killHard();
    await eventually(async () => assert.doesNotMatch(await host.ok(words('nft list tables')), /fairway_seal/));
    await engine.daemon.start();
    await assertUnchanged(host, clean);
  });
});

describe('CVE-2024-8418 and CVE-2026-35406: DNS over TCP', { timeout: 120_000 }, () => {
  /** Three hundred that connect and say nothing, half a length, half a question, or ask for ever and never read. */
  const RUDE = `const { connect } = require('node:net'); let open = 0;
    const query = Buffer.from('000c' + '0001010000010000' + '00000000', 'hex');
    for (let at = 0; at < 300; at += 1) {
      const socket = connect(53, '127.0.0.11', () => {
        if (at % 4 === 1) socket.write(Buffer.of(0));
        if (at % 4 === 2) socket.write(Buffer.of(0, 40, 1, 2, 3));
        if (at % 4 === 3) { socket.pause(); for (let n = 0; n < 50; n += 1) socket.write(query); }
        open += 1; if (open === 300) console.log('ready');
      });
      socket.on('error', () => {});
    }
    setInterval(() => {}, 1000);`;

  test('clients that are silent, slow or deaf delay nobody: neither their own container nor another', async (t) => {
    await docker('network create net');
    await docker('run -d --name asker --network net busybox sleep 600');
    await docker('run -d --name rude --network net busybox sleep 600');
    const into = async (name: string): Promise<string> => `--net=/proc/${await pidOf(name)}/ns/net`;
    await using own = await NameProbe.start(await pidOf('rude'), ['asker', '*.lan.test']);
    await using others = await NameProbe.start(await pidOf('asker'), ['rude', '*.lan.test']);
    const rude = spawn('nsenter', [await into('rude'), process.execPath, '-e', RUDE], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => rude.stdout.once('data', resolve));
    // While all of them are there.
    await docker('exec asker nslookup rude');
    await docker('exec rude nslookup asker');
    for (const [who, probe] of Object.entries({ 'the same container': own, 'another container': others })) {
      const seen = await probe.stop();
      t.diagnostic(`${who}: ${seen.asked} asked, the longest wait ${seen.longest.toFixed(0)} ms`);
      assert.deepEqual(seen.unanswered, [], who);
      assert.ok(
        Object.values(seen.answers).every((answers) => Object.keys(answers).every((one) => one.startsWith('0 '))),
      );
    }
    await stopChild(rude);
    await end('asker rude', 'net');
  });
});

describe('CVE-2021-20206: names that are paths', { timeout: 120_000 }, () => {
  const PATHS = ['../../../../tmp/escaped', '..', '/etc/escaped', 'a/../../b', '.\u0000x'];

  test('lead nowhere, as names of networks, containers, volumes, bridges, parents or drivers', async () => {
    const { host } = engine;
    const api = new RawApi(engine.daemon.socket);
    const files = (): Promise<string> =>
      host.ok([
        'sh',
        '-c',
        'find /run/fairway /run/netns /var/lib/fairway/volumes /var/lib/fairway/containers /etc/escaped /tmp/escaped -maxdepth 2 2>/dev/null | sort; true',
      ]);
    const before = await files();
    const refused = async (path: string, body: unknown): Promise<void> => {
      const answer = await api.call('POST', path, body);
      assert.ok(answer.status >= 400 && answer.status < 500, `${path} ${JSON.stringify(body)}: ${answer.status}`);
      assert.notEqual(answer.message, '');
    };
    for (const name of PATHS) {
      await refused(`/containers/create?name=${encodeURIComponent(name)}`, { Image: 'busybox' });
      await refused('/volumes/create', { Name: name });
      await refused('/networks/create', { Name: 'n', Driver: name });
      await refused('/networks/create', { Name: 'n', IPAM: { Driver: name } });
      await refused('/volumes/create', { Name: 'v', Driver: name });
      await refused('/networks/create', { Name: 'n', Options: { 'com.docker.network.bridge.name': name } });
      await refused('/networks/create', { Name: 'n', Driver: 'macvlan', Options: { parent: name } });
      for (const what of ['containers/#/json', 'networks/#', 'volumes/#', 'images/#/json', 'exec/#/json']) {
        const answer = await api.call('GET', `/${what.replace('#', encodeURIComponent(name))}`);
        assert.ok([400, 404].includes(answer.status), `${what} ${name}: ${answer.status}`);
      }
      // A network may be called what one likes, as with Docker: its name is never a path.
      const made = await api.call('POST', '/networks/create', { Name: name });
      if (made.status === 201) await api.call('DELETE', `/networks/${(made.body as { Id: string }).Id}`);
      else assert.equal(made.status, 400, made.message);
    }
    assert.equal(await files(), before);
    await assertUnchanged(host, clean);
  });
});

describe('CVE-2024-41110 and CVE-2026-34040: the body that is judged is the body that is used', {
  timeout: 120_000,
}, () => {
  const GOOD = '{"Name":"good"}';
  const BAD = '{"Name":"bad"}';
  const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

  /** Everything the daemon says to these bytes, until it closes or both requests are answered. */
  function say(bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(engine.daemon.socket);
      let heard = '';
      socket.on('data', (data) => (heard += String(data)));
      socket.on('close', () => resolve(heard));
      socket.on('error', reject);
      socket.end(bytes);
    });
  }

  const head = (...lines: string[]): string =>
    [
      'POST /v1.41/networks/create HTTP/1.1',
      'Host: d',
      'Content-Type: application/json',
      'Connection: close',
      ...lines,
      '',
      '',
    ].join('\r\n');
  const names = (): Promise<string> => docker('network ls --filter type=custom --format {{.Name}}');

  test('of Content-Length 0 and chunks, of two lengths, of a length and chunks: refused, and nothing is made', async () => {
    for (const request of [
      `${head('Content-Length: 0', 'Transfer-Encoding: chunked')}${chunk(BAD)}0\r\n\r\n`,
      `${head(`Content-Length: ${GOOD.length}`, 'Transfer-Encoding: chunked')}${chunk(BAD)}0\r\n\r\n`,
      `${head('Content-Length: 0', `Content-Length: ${BAD.length}`)}${BAD}`,
      `${head(`Content-Length: ${BAD.length}`, 'Content-Length: 0')}${BAD}`,
      `${head(`Content-Length: ${BAD.length}, 0`)}${BAD}`,
      `${head(`Content-Length: +${BAD.length}`)}${BAD}`,
      `${head('Transfer-Encoding: gzip, chunked')}${chunk(BAD)}0\r\n\r\n`,
      `${head('Transfer-Encoding: chunked, identity')}${chunk(BAD)}0\r\n\r\n`,
    ]) {
      const heard = await say(request);
      assert.match(heard, /^HTTP\/1\.1 (4\d\d|501) /, request);
      assert.equal((heard.match(/HTTP\/1\.1 /g) ?? []).length, 1, heard);
    }
    assert.equal(await names(), '');
    await assertUnchanged(engine.host, clean);
  });

  test('of Content-Length 0 is empty, whatever follows it', async () => {
    const heard = await say(`${head('Content-Length: 0')}${BAD}`);
    assert.match(heard, /^HTTP\/1\.1 4\d\d /);
    assert.equal(await names(), '');
  });

  test('in chunks is the whole of them, and one that is never finished is none', async () => {
    const pieces = [...GOOD].map(chunk).join('');
    assert.match(await say(`${head('Transfer-Encoding: chunked')}${pieces}0\r\n\r\n`), /^HTTP\/1\.1 201 /);
    assert.equal(await names(), 'good');
    await docker('network rm good');
    await say(`${head('Transfer-Encoding: chunked')}${chunk(BAD)}`);
    await say(`${head(`Content-Length: ${BAD.length + 1}`)}${BAD}`);
    assert.equal(await names(), '');
  });

  test('that is huge is refused whether its length is told or not', async () => {
    const filler = ' '.repeat(1 << 20);
    const huge = chunk(filler).repeat(9);
    for (const request of [
      `${head('Transfer-Encoding: chunked')}${huge}${chunk(BAD)}0\r\n\r\n`,
      `${head(`Content-Length: ${9 * filler.length + BAD.length}`)}${filler.repeat(9)}${BAD}`,
    ]) {
      // The daemon may hang up on who goes on talking.
      const heard = await say(request).catch(() => '');
      assert.doesNotMatch(heard, /HTTP\/1\.1 2/);
    }
    assert.equal(await names(), '');
  });

  test('of a GET is not used, and not taken for the next request either', async () => {
    const hidden = 'DELETE /v1.41/networks/kept HTTP/1.1\r\nHost: d\r\n\r\n';
    await docker('network create kept');
    const heard = await say(
      `GET /v1.41/networks HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    );
    assert.match(heard, /^HTTP\/1\.1 200 /);
    assert.equal((heard.match(/HTTP\/1\.1 /g) ?? []).length, 1, heard);
    assert.equal(await names(), 'kept');
    await docker('network rm kept');
    // A member given twice counts once, as everywhere: the last one.
    const twice = '{"Name":"first","Name":"second"}';
    assert.match(await say(`${head(`Content-Length: ${twice.length}`)}${twice}`), /^HTTP\/1\.1 201 /);
    assert.equal(await names(), 'second');
    await docker('network rm second');
    await assertUnchanged(engine.host, clean);
  });
});
