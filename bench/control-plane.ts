import { parseCidr } from '../src/base/index.ts';
import { createNetns, deleteNetns, openNetns, Rtnl } from '../src/kernel/index.ts';
import type { Api } from './api.ts';
import { median, ms, type Row, time } from './stats.ts';

const ROUNDS = 60;

export async function controlPlane(api: Api): Promise<Row[]> {
  await api.call('POST', '/networks/create', { Name: 'warm' });
  await api.call('DELETE', '/networks/warm');
  const created: number[] = [];
  const removed: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    created.push(
      ...(await time(1, async () => void (await api.call('POST', '/networks/create', { Name: `net${round}` })))),
    );
    removed.push(...(await time(1, async () => void (await api.call('DELETE', `/networks/net${round}`)))));
  }
  const bare = bareBridge();
  await api.call('POST', '/networks/create', { Name: 'bench' });
  const bridged: number[] = [];
  const none: number[] = [];
  for (let round = 0; round < ROUNDS / 2; round += 1) {
    bridged.push(...(await time(1, () => createAndStart(api, `bridged${round}`, 'bench'))));
    await api.remove(`bridged${round}`);
    none.push(...(await time(1, () => createAndStart(api, `none${round}`, 'none'))));
    await api.remove(`none${round}`);
  }
  await api.call('DELETE', '/networks/bench');
  return [
    {
      what: 'network create',
      value: ms(created),
      baseline: `bare bridge + address: ${ms(bare.created)}`,
      target: '≤ 8 ms',
    },
    { what: 'network remove', value: ms(removed), baseline: `bare bridge: ${ms(bare.deleted)}`, target: '≤ 8 ms' },
    {
      what: 'container create + start, user bridge',
      value: ms(bridged),
      baseline: `--network none: ${ms(none)}`,
      target: '≤ 100 ms',
    },
    { what: 'network share of start', value: `${(median(bridged) - median(none)).toFixed(1)} ms`, target: '≤ 8 ms' },
  ];
}

async function createAndStart(api: Api, name: string, network: string): Promise<void> {
  const id = await api.create(name, network);
  await api.call('POST', `/containers/${id}/start`);
}

/** What the kernel alone takes for a bridge with an address, and for its deletion. */
export function bareBridge(): { created: number[]; deleted: number[] } {
  const path = '/run/netns/fwt-bench';
  createNetns(path);
  try {
    using namespace = openNetns(path);
    using rtnl = Rtnl.open(namespace);
    const created: number[] = [];
    const deleted: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      let start = performance.now();
      rtnl.links.createBridge({ name: 'bench0' });
      const index = rtnl.links.get('bench0')?.index ?? 0;
      rtnl.addresses.add(index, parseCidr('10.1.0.1/24'));
      rtnl.links.set(index, { up: true });
      created.push(performance.now() - start);
      start = performance.now();
      rtnl.links.delete('bench0');
      deleted.push(performance.now() - start);
    }
    return { created, deleted };
  } finally {
    deleteNetns(path);
  }
}
