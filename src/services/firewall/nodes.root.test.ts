import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Id, parseIp } from '../../base/index.ts';
import type { FirewallEntry } from '../../model/index.ts';
import { network, testId } from './testing/entries.ts';
import { Lab } from './testing/lab.ts';

const DATA_PORT = 8472;
const NEIGHBOUR = { 4: '192.0.2.9', 6: '2001:db8::9' } as const;
const HOST = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
const BRIDGE = [network('fwd', '172.30.0.0/24'), network('fwd', 'fd00:30::/64')];

/** `lan` is another host; `one` is a container here, whose packets leave with this host's address. */
describe('the port to which nodes send frames', { timeout: 60_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = new Lab();
    lab.neighbour('lan', [`${HOST[4]}/24`, `${NEIGHBOUR[4]}/24`], [`${HOST[6]}/64`, `${NEIGHBOUR[6]}/64`]);
    lab.bridge('fwd', '172.30.0.1/24', 'fd00:30::1/64');
    lab.container('one', 'fwd', [
      ['172.30.0.1/24', '172.30.0.2/24'],
      ['fd00:30::1/64', 'fd00:30::2/64'],
    ]);
    for (const name of ['host', 'lan']) for (const port of [DATA_PORT, 80]) await lab.serve(name, port);
  });
  after(() => lab[Symbol.asyncDispose]());

  const node = (id: string, address: string): FirewallEntry => ({
    ...{ kind: 'node', nodeId: testId(id) as Id, address: parseIp(address) },
  });
  const port: FirewallEntry = { kind: 'dataPort', networkId: testId('a'), port: DATA_PORT };
  const nodes = (family: 4 | 6): readonly FirewallEntry[] => [node('1', HOST[family]), node('2', NEIGHBOUR[family])];

  for (const family of [4, 6] as const) {
    it(`hears other nodes over IPv${family}, and nobody else`, async () => {
      await lab.firewall.replaceAll([...BRIDGE, port, ...nodes(family)]);
      assert.equal(await lab.ask('lan', HOST[family], DATA_PORT, 'answer'), `host ${NEIGHBOUR[family]}`);
      await lab.firewall.apply({ remove: [node('2', NEIGHBOUR[family])] });
      assert.equal(await lab.ask('lan', HOST[family], DATA_PORT, 'nothing'), undefined);
      assert.equal(await lab.ask('lan', HOST[family], 80, 'answer'), `host ${NEIGHBOUR[family]}`);
      await lab.firewall.apply({ remove: [port] });
      assert.equal(await lab.ask('lan', HOST[family], DATA_PORT, 'answer'), `host ${NEIGHBOUR[family]}`);
    });

    it(`of other nodes is out of reach of containers over IPv${family}, who would speak with this host's address`, async () => {
      await lab.firewall.replaceAll([...BRIDGE, port]);
      assert.equal(await lab.ask('one', NEIGHBOUR[family], DATA_PORT, 'answer'), `lan ${HOST[family]}`);
      await lab.firewall.apply({ add: nodes(family) });
      assert.equal(await lab.ask('one', NEIGHBOUR[family], DATA_PORT, 'nothing'), undefined);
      assert.equal(await lab.ask('one', HOST[family], DATA_PORT, 'nothing'), undefined);
      assert.equal(await lab.ask('one', NEIGHBOUR[family], 80, 'answer'), `lan ${HOST[family]}`);
      assert.equal(await lab.ask('host', NEIGHBOUR[family], DATA_PORT, 'answer'), `lan ${HOST[family]}`);
    });
  }

  it('is not tracked between nodes', async () => {
    await lab.firewall.replaceAll([...BRIDGE, port, ...nodes(4)]);
    lab.nft.run(
      'table inet fwcount { chain c { type filter hook input priority 10; udp dport 8472 ct state untracked counter; }; }',
    );
    assert.equal(await lab.ask('lan', HOST[4], DATA_PORT, 'answer'), `host ${NEIGHBOUR[4]}`);
    const counted = JSON.stringify(lab.nft.runJson('list table inet fwcount'));
    assert.match(counted, /"packets":1\b|"packets": 1\b/);
    lab.nft.run('delete table inet fwcount');
  });
});

describe('a secluded bridge', { timeout: 60_000 }, () => {
  it('does not lead to the host', async () => {
    await using lab = new Lab();
    lab.bridge('fwd', '172.30.0.1/24', 'fd00:30::1/64');
    lab.container('one', 'fwd', [
      ['172.30.0.1/24', '172.30.0.2/24'],
      ['fd00:30::1/64', 'fd00:30::2/64'],
    ]);
    await lab.serve('host', 80);
    const gateways = ['172.30.0.1', 'fd00:30::1'];
    for (const secluded of [false, true]) {
      await lab.firewall.replaceAll(
        BRIDGE.map((entry) => ({ ...entry, internal: true, ...(secluded ? { secluded } : {}) })),
      );
      for (const gateway of gateways) {
        const answer = await lab.ask('one', gateway, 80, secluded ? 'nothing' : 'answer');
        assert.equal(answer === undefined, secluded, gateway);
      }
    }
  });
});
