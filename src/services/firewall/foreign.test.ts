import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { foreignDrops, forwardingTables } from './foreign.ts';

const OUT = { iifname: 'br-1', oifname: 'eth0', translated: false };
const IN = { iifname: 'eth0', oifname: 'br-1', translated: true };

const meta = (key: string, right: unknown, op = '==') => ({ match: { op, left: { meta: { key } }, right } });
const ct = (key: string, right: unknown) => ({ match: { op: 'in', left: { ct: { key } }, right } });
const port = { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: 22 } };
const accept = { accept: null };
const drop = { drop: null };

/** A table of nft's JSON: rules by chain, `forward` hooked with this policy. */
function table(policy: 'accept' | 'drop', chains: Record<string, object[][]>): unknown {
  const where = { family: 'ip', table: 'filter' };
  return {
    nftables: Object.entries(chains).flatMap(([name, rules]) => [
      { chain: { ...where, name, ...(name === 'forward' ? { hook: 'forward', policy } : {}) } },
      ...rules.map((expr) => ({ rule: { ...where, chain: name, expr } })),
    ]),
  };
}

const byOf = (json: unknown, packet = OUT): string[] => foreignDrops(json, 4, packet).map(({ by }) => by);

describe('chains of others that drop what we forward', () => {
  it('do so by their policy, where nothing before accepts', () => {
    assert.deepEqual(byOf(table('drop', { forward: [] })), ['policy']);
    assert.deepEqual(byOf(table('accept', { forward: [] })), []);
    assert.deepEqual(byOf(table('drop', { forward: [[{ counter: {} }, accept]] })), []);
    assert.deepEqual(foreignDrops(table('drop', { forward: [] }), 6, OUT), []);
  });

  it('or by a rule that means every new connection', () => {
    const rules = [[ct('state', ['established', 'related']), accept], [{ reject: null }]];
    assert.deepEqual(byOf(table('accept', { forward: rules })), ['rule']);
    assert.deepEqual(byOf(table('accept', { forward: [[port, drop]] })), []);
  });

  it('unless a rule is about the interfaces', () => {
    const json = table('drop', {
      forward: [
        [meta('iifname', 'br-*'), accept],
        [ct('status', 'dnat'), meta('oifname', { set: ['br-1'] }), accept],
      ],
    });
    assert.deepEqual(byOf(json), []);
    assert.deepEqual(byOf(json, IN), []);
    assert.deepEqual(byOf(json, { ...IN, translated: false }), ['policy']);
    assert.deepEqual(byOf(table('drop', { forward: [[meta('iifname', 'br-1', '!='), accept]] })), ['policy']);
  });

  it('or about translated connections, by name or by number', () => {
    for (const [dnat, fresh] of [
      ['dnat', 'new'],
      [32, 8],
    ]) {
      const json = table('drop', { forward: [[ct('state', { set: [fresh] }), ct('status', dnat), accept]] });
      assert.deepEqual(byOf(json, IN), []);
      assert.deepEqual(byOf(json), ['policy']);
    }
  });

  it('are told with the chain that Docker leaves to the operator', () => {
    const [alone] = foreignDrops(table('drop', { forward: [] }), 4, OUT);
    assert.equal(alone?.userChain, 'forward');
    const docker = { forward: [[{ jump: { target: 'DOCKER-USER' } }]], 'DOCKER-USER': [[{ return: null }]] };
    const [beside] = foreignDrops(table('drop', docker), 4, OUT);
    assert.deepEqual([beside?.chain, beside?.userChain], ['forward', 'DOCKER-USER']);
  });

  it('by way of other chains and maps', () => {
    const json = table('accept', {
      forward: [
        [
          {
            vmap: {
              key: { ct: { key: 'state' } },
              data: {
                set: [
                  ['established', accept],
                  ['new', { jump: { target: 'fresh' } }],
                ],
              },
            },
          },
        ],
        [accept],
      ],
      fresh: [[meta('oifname', 'lo'), { return: null }], [{ goto: { target: 'end' } }]],
      end: [[drop]],
    });
    assert.deepEqual(byOf(json), ['rule']);
  });

  it('stand in tables with a forward chain that are not ours', () => {
    const json = table('drop', { forward: [], other: [] });
    assert.deepEqual(forwardingTables(json, []), ['ip filter']);
    assert.deepEqual(forwardingTables(json, ['ip filter']), []);
  });
});
