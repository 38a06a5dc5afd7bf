import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { Client } from '../client/index.ts';
import { type Answer, FakeDaemon } from '../client/testing/index.ts';
import { runProgram } from './index.ts';

const NODE = { ID: 'ab'.repeat(32), Name: 'host-1', Address: '192.0.2.1', Alive: true, Self: true, Manager: true };
const STATUS = {
  Kind: 'managed',
  Endpoints: ['192.0.2.1:2379'],
  AdvertiseAddr: '192.0.2.1',
  Manager: true,
  Reachable: true,
  Problem: '',
  Members: [
    { ID: '1', Name: 'one', Endpoints: ['https://192.0.2.1:2379'] },
    { ID: '2', Name: '', Endpoints: [] },
  ],
  Nodes: [
    { ...NODE, ID: 'cd'.repeat(32), Name: 'host-2', Address: '192.0.2.2', Alive: false, Self: false, Manager: false },
    NODE,
  ],
};

async function fairway(words: readonly string[], answer: Answer, input = '') {
  await using daemon = await FakeDaemon.start({ answer: () => answer });
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(input);
  const env = { FAIRWAY_HOST: daemon.host };
  const makeClient = (host: string): Client => new Client(host);
  const code = await runProgram(words, { makeClient, stdin, stdout, stderr, env, now: () => 0 });
  stdout.end();
  stderr.end();
  const [out, err] = [(await stdout.toArray()).join(''), (await stderr.toArray()).join('')];
  return { code, out, err, asked: daemon.asked.map(({ path, body }) => [path, body]) };
}

test('cluster init prints the command by which others join', async () => {
  const answer = { status: 201, body: { Token: 'FWC1-x', Status: STATUS } };
  const said = await fairway(['cluster', 'init', '--advertise-addr', 'eth0', '--port', '4001'], answer);
  assert.equal(said.code, 0);
  assert.match(
    said.out,
    /^This host \(192\.0\.2\.1\) is the first of a cluster.*\n\n {4}fairway cluster join FWC1-x\n/,
  );
  assert.equal(said.err, '');
  assert.deepEqual(said.asked.at(-1), ['/fairway/cluster/init', '{"AdvertiseAddr":"eth0","Port":4001}']);
  assert.equal((await fairway(['cluster', 'init', '-q'], answer)).out, 'FWC1-x\n');
  assert.match(
    (await fairway(['cluster', 'init', '--port', 'x'], answer)).err,
    /"x" for "--port" flag: it must be a number/,
  );
});

test('cluster join hands the token over, and leave whether it is forced', async () => {
  const joined = await fairway(['cluster', 'join', '--manager', 'FWC1-x'], { body: { Status: STATUS } });
  assert.deepEqual(
    [joined.code, joined.out, joined.err],
    [0, 'This host (192.0.2.1) has joined the cluster as a manager.\n', ''],
  );
  assert.deepEqual(joined.asked.at(-1), ['/fairway/cluster/join', '{"Token":"FWC1-x","Manager":true}']);
  const piped = await fairway(['cluster', 'join', '-'], { body: { Status: STATUS } }, 'FWC1-y\n');
  assert.deepEqual(piped.asked.at(-1), ['/fairway/cluster/join', '{"Token":"FWC1-y","Manager":false}']);
  const left = await fairway(['cluster', 'leave', '-f'], { body: { Status: { ...STATUS, Kind: 'none' } } });
  assert.deepEqual([left.code, left.out], [0, 'This host has left the cluster.\n']);
  assert.equal((await fairway(['cluster', 'join'], { body: {} })).code, 1);
  assert.equal((await fairway(['cluster', 'token'], { body: { Token: 'FWC1-x' } })).out, 'FWC1-x\n');
});

test('cluster ls lists the hosts, cluster status the store', async () => {
  const listed = await fairway(['cluster', 'ls'], { body: STATUS });
  assert.deepEqual(
    listed.out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/\s{2,}/)),
    [
      ['ID', 'HOSTNAME', 'ADDRESS', 'STATUS', 'MANAGER'],
      ['abababababab *', 'host-1', '192.0.2.1', 'Ready', 'yes'],
      ['cdcdcdcdcdcd', 'host-2', '192.0.2.2', 'Down'],
    ],
  );
  assert.equal(
    (await fairway(['cluster', 'ls', '--format', '{{.Hostname}} {{.Address}}'], { body: STATUS })).out,
    'host-1 192.0.2.1\nhost-2 192.0.2.2\n',
  );
  const shown = await fairway(['cluster', 'status'], { body: STATUS });
  assert.deepEqual(
    [shown.code, shown.out],
    [
      0,
      'Cluster: its own store\nThis host: 192.0.2.1, manager\nStore: 192.0.2.1:2379\nReachable: yes\nMembers of the store: 2\n' +
        '  one https://192.0.2.1:2379\n  2 (not there yet)\nHosts: 2 (1 ready)\n',
    ],
  );
  const away = await fairway(['cluster', 'status'], {
    body: { ...STATUS, Reachable: false, Problem: 'no answer', Members: [] },
  });
  assert.deepEqual([away.code, /Reachable: no \(no answer\)/.test(away.out)], [1, true]);
  const none = await fairway(['cluster', 'status'], { body: { ...STATUS, Kind: 'none' } });
  assert.deepEqual([none.code, none.out], [0, 'Cluster: none\n']);
  assert.match(
    (await fairway(['cluster', 'ls'], { body: { ...STATUS, Kind: 'none' } })).err,
    /this host is in no cluster/,
  );
});
