import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, beforeEach, describe, it } from 'node:test';
import { duplicateFd, Nft } from '../../kernel/index.ts';
import type { Protocol } from '../../model/index.ts';
import { NftFirewall } from './nft-firewall.ts';
import { Seal, type SealDeps } from './seal.ts';
import { network, openPort, port, testId } from './testing/entries.ts';
import { Lab } from './testing/lab.ts';

const udp: { protocol: Protocol } = { protocol: 'udp' };
const other = { ...udp, networkId: testId('b'), endpointId: testId('f'), bridge: 'other' } as const;

/** Real packets between bridges `fwd` (one, two) and `other` (three), with `lan` as a neighbour of the host. */
describe('what packets do while the rules are missing', { timeout: 60_000 }, () => {
  let lab: Lab;

  before(async () => {
    lab = new Lab();
    lab.neighbour('lan', ['192.0.2.1/24', '192.0.2.9/24'], ['2001:db8::1/64', '2001:db8::9/64']);
    lab.bridge('fwd', '172.30.0.1/24', 'fd00:30::1/64');
    lab.bridge('other', '172.31.0.1/24', 'fd00:31::1/64');
    for (const [name, bridge, net, last] of [
      ['one', 'fwd', 30, 2],
      ['two', 'fwd', 30, 3],
      ['three', 'other', 31, 2],
    ] as const) {
      lab.container(name, bridge, [
        [`172.${net}.0.1/24`, `172.${net}.0.${last}/24`],
        [`fd00:${net}::1/64`, `fd00:${net}::${last}/64`],
      ]);
    }
    for (const name of ['one', 'two', 'three', 'lan', 'host']) await lab.serve(name, 80);
  });
  after(() => lab[Symbol.asyncDispose]());
  beforeEach(() =>
    lab.firewall.replaceAll([
      network('fwd', '172.30.0.0/24'),
      network('fwd', 'fd00:30::/64'),
      network('other', '172.31.0.0/24', { ...other, gatewayMode: 'routed', masquerade: false }),
      network('other', 'fd00:31::/64', { ...other, gatewayMode: 'routed', masquerade: false }),
      openPort('172.31.0.2:80', other),
      port('0.0.0.0:8080', '172.30.0.2:80', udp),
    ]),
  );

  /** By another process. */
  const nft = (script: string): string =>
    execFileSync('nsenter', [`--net=${lab.host.path}`, 'nft', script], { encoding: 'utf8', stdio: 'pipe' });

  const nothing = async (...targets: readonly (readonly [who: string, ip: string, port: number])[]): Promise<void> => {
    const answers = await Promise.all(targets.map(([who, ip, number]) => lab.ask(who, ip, number, 'nothing')));
    assert.deepEqual(answers, Array(targets.length).fill(undefined), targets.join(' '));
  };
  const FORBIDDEN = [
    ['one', '172.31.0.2', 80],
    ['three', '172.30.0.2', 80],
    ['three', 'fd00:30::2', 80],
    ['lan', '172.30.0.2', 80],
    ['lan', 'fd00:30::2', 80],
    ['lan', '172.31.0.2', 80],
    ['one', '192.0.2.9', 80],
    ['one', '2001:db8::9', 80],
  ] as const;

  it('nothing new passes from and to the bridges, what is established goes on, and so do bridge and host', async () => {
    const published = await lab.conversation('lan', '192.0.2.1', 8080);
    const outward = await lab.conversation('two', '192.0.2.9', 80);
    const routed = await lab.conversation('lan', '172.31.0.2', 80);
    const all = async (): Promise<void> => {
      assert.equal(await published('answer'), 'one 192.0.2.9');
      assert.equal(await outward('answer'), 'lan 192.0.2.1');
      assert.equal(await routed('answer'), 'three 192.0.2.9');
    };
    await all();
    nft('flush ruleset');
    assert.match(nft('list tables'), /^table inet fairway_seal\d+\n$/);
    await nothing(...FORBIDDEN);
    await all();
    assert.equal(await lab.ask('one', '172.30.0.3', 80, 'answer'), 'two 172.30.0.2');
    assert.equal(await lab.ask('host', '172.30.0.2', 80, 'answer'), 'one 172.30.0.1');
    assert.equal(await lab.ask('one', '172.30.0.1', 80, 'answer'), 'host 172.30.0.2');
    await lab.firewall.restore();
    assert.equal(await lab.ask('one', '192.0.2.9', 80, 'answer'), 'lan 192.0.2.1');
    assert.equal(await lab.ask('lan', '172.31.0.2', 80, 'answer'), 'three 192.0.2.9');
  });

  it('the sealing table belongs to nobody else, and follows the networks', async () => {
    const [, table] = /^table (inet fairway_seal\d+)$/m.exec(nft('list tables')) ?? [];
    for (const script of [`delete table ${table}`, `flush table ${table}`, `flush set ${table} bridges`]) {
      assert.throws(() => nft(script), /Operation not permitted/, script);
    }
    assert.match(nft(`list set ${table} bridges`), /"fwd",\s+"other"/);
    await lab.firewall.replaceAll([network('fwd', '172.30.0.0/24')]);
    assert.match(nft(`list set ${table} bridges`), /elements = \{ "fwd" \}/);
    nft('flush ruleset');
    assert.match(nft(`list set ${table} bridges`), /elements = \{ "fwd" \}/);
  });

  it('it stays as long as anybody has its socket, and the next one covers what it covered', async () => {
    const tables = (): string => nft('list tables').replaceAll('table inet ', '').trim();
    const open: SealDeps['open'] = (work) => Nft.openOwner(work, lab.host.ns);
    let kept: ReturnType<typeof duplicateFd> | undefined;
    lab.seal.keptBy((fd) => {
      kept = duplicateFd(fd);
    });
    lab.seal[Symbol.dispose]();
    nft('flush ruleset');
    const [first] = tables().split('\n');
    assert.match(first ?? '', /^fairway_seal\d+$/);
    await nothing(...FORBIDDEN);
    using next = Seal.open({ open });
    kept?.close();
    assert.notEqual(tables(), first);
    await nothing(...FORBIDDEN);
    const firewall = new NftFirewall({ nft: lab.nft, seal: next });
    await firewall.replaceAll([network('fwd', '172.30.0.0/24')]);
    assert.equal(await lab.ask('one', '192.0.2.9', 80, 'answer'), 'lan 192.0.2.1');
    assert.deepEqual(next.verify(), []);
  });

  it('it is made although one that was there goes at that moment', () => {
    using earlier = Seal.open({ open: (work) => Nft.openOwner(work, lab.host.ns) });
    using seal = Seal.open({
      open: (work) =>
        Nft.openOwner((connection) => {
          const list = (what: string): string => {
            earlier[Symbol.dispose]();
            return connection.list(what);
          };
          work({ list, run: (script) => connection.run(script), runJson: (script) => connection.runJson(script) });
        }, lab.host.ns),
    });
    assert.deepEqual([earlier.active, seal.active, seal.verify()], [false, true, []]);
  });

  it('it is made anew when the library has opened its socket anew', async () => {
    let opened = 0;
    using seal = Seal.open({
      open: (work) => {
        const { nft: connection, socket } = Nft.openOwner(work, lab.host.ns);
        opened += 1;
        if (opened > 1) return { nft: connection, socket };
        const lost = Nft.open(lab.host.ns);
        return {
          socket,
          nft: {
            run: (script: string) => (/^add element/.test(script) ? lost : connection).run(script),
            runJson: (script: string) => connection.runJson(script),
            list: (what: string) => connection.list(what),
            close: () => {
              connection.close();
              lost.close();
            },
          },
        };
      },
    });
    const firewall = new NftFirewall({ nft: lab.nft, seal });
    await firewall.replaceAll([network('fwd', '172.30.0.0/24')]);
    assert.equal(opened, 2);
    assert.match(
      nft('list tables')
        .match(/fairway_seal\d+/g)
        ?.join() ?? '',
      /^fairway_seal\d+$/,
    );
    nft('flush ruleset');
    await nothing(['one', '192.0.2.9', 80], ['lan', '172.30.0.2', 80]);
  });
});
