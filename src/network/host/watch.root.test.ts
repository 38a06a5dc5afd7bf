import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { eventually } from '../../../test/support/eventually.ts';
import { inOwnNamespaces } from '../../../test/support/network-lab.ts';
import { newId, parseIp, parseMac } from '../../base/index.ts';
import { Rtnl } from '../../kernel/index.ts';
import { overlayMark } from '../../model/index.ts';
import type { HostChange } from './host.ts';
import { watchHost } from './watch.ts';

if (inOwnNamespaces(import.meta.filename)) {
  describe('what is heard of the links of overlay networks', () => {
    it('is entries that go, of which network, and that too much went to tell', async () => {
      const netnsDir = mkdtempSync(join(tmpdir(), 'fwt-watch-'));
      using rtnl = Rtnl.open();
      const id = newId();
      const bridge = rtnl.links.createBridge({ name: 'ov-0' });
      const spec = { vni: 4097, port: 4789, learning: false, proxy: true, masterIndex: bridge.index } as const;
      const { index: linkIndex } = rtnl.links.createVxlan({ name: 'vx-0', ...spec, local: parseIp('192.0.2.1') });
      rtnl.links.set(linkIndex, { up: true, alias: overlayMark(id) });
      const foreign = rtnl.links.createVxlan({ name: 'vx-1', ...spec, vni: 4098, local: parseIp('192.0.2.1') });
      const heard: HostChange[] = [];
      using _watch = watchHost({ rtnl, netnsDir }, (change) => heard.push(change));
      const entry = { mac: parseMac('02:42:0a:00:00:02'), destination: parseIp('192.0.2.2'), master: 'too' } as const;
      const neighbour = { ip: parseIp('10.0.0.2'), mac: entry.mac };
      const next = async (work: () => void): Promise<readonly HostChange[]> => {
        heard.length = 0;
        work();
        await eventually(() => assert.ok(heard.length > 0), undefined, 2);
        return heard;
      };
      for (const index of [linkIndex, foreign.index]) {
        rtnl.fdb.changeAll({ set: [{ ...entry, linkIndex: index }] });
        rtnl.neighbours.changeAll({ set: [{ ...neighbour, linkIndex: index }] });
      }
      // What goes from the link of somebody else is nobody's affair.
      execFileSync('bridge', ['fdb', 'del', entry.mac, 'dev', 'vx-1', 'self']);
      const gone = await next(() => execFileSync('bridge', ['fdb', 'del', entry.mac, 'dev', 'vx-0', 'self']));
      // Some kernels tell it twice.
      for (const change of gone) assert.deepEqual(change, { kind: 'peers', id });
      const forgotten = await next(() => execFileSync('ip', ['neigh', 'del', neighbour.ip, 'dev', 'vx-0']));
      for (const change of forgotten) assert.deepEqual(change, { kind: 'peers', id });
      const many = Array.from({ length: 4000 }, (_, at) => ({
        ...{ linkIndex, destination: entry.destination },
        mac: parseMac(
          `02:42:0a:01:${(at >> 8).toString(16).padStart(2, '0')}:${(at & 255).toString(16).padStart(2, '0')}`,
        ),
      }));
      await next(() => rtnl.fdb.changeAll({ set: many }));
      assert.ok(heard.some((change) => change.kind === 'peers' && change.id === undefined));
      assert.ok(!heard.some(({ kind }) => kind === 'anything'));
      rmSync(netnsDir, { recursive: true });
    });
  });
}
