// One network with more and more endpoints, made through the library, without containers, in the network namespace of this
// process; beside it a bridge with as many links by hand. Prints its samples as JSON. Arguments: folder, seconds, sizes; a size is
// left out where the one before says that it would take longer.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HandMadeBridge } from '../../test/support/hand-made.ts';
import { NetworkLab } from '../../test/support/network-lab.ts';
import { ok } from '../../test/support/run.ts';
import { inParallel, upTo } from './parallel.ts';

const CLIENT = fileURLToPath(new URL('../dns-client.ts', import.meta.url));
const ROUNDS = 15;
const LOOKS = 100;
const PARALLEL = 16;
const NETWORK = 'library';

const [directory = '', seconds, ...sizes] = process.argv.slice(2);
const samples: { kind: string; size: number; values: number[] }[] = [];
await using lab = await NetworkLab.start({}, join(directory, 'lab'));
const { networks, sandboxes } = lab.networking;
using hand = new HandMadeBridge(lab.rtnl, directory);
const { network } = await networks.create({ name: NETWORK });
const boxes: Awaited<ReturnType<typeof lab.sandbox>>[] = [];
const start = performance.now();
let last = { size: 1, ms: 0 };
for (const size of sizes.map(Number)) {
  const begun = performance.now();
  if (begun - start + (last.ms * size) / last.size > Number(seconds) * 1000) break;
  const fresh = upTo(size).slice(boxes.length);
  await inParallel(fresh, PARALLEL, async (index) => {
    const box = await lab.sandbox();
    boxes.push(box);
    await lab.attach(box, NETWORK, `box${index}`);
  });
  for (const _ of fresh) hand.attach(hand.namespace());
  last = { size, ms: performance.now() - begun };
  const [spare, bare] = [await lab.sandbox(), hand.namespace()];
  const [ours, byHand, looked]: number[][] = [[], [], []];
  for (const round of upTo(ROUNDS + 1)) {
    let begin = performance.now();
    await lab.attach(spare, NETWORK, 'spare');
    if (round > 0) ours?.push(performance.now() - begin);
    await sandboxes.detach(spare, network.id);
    begin = performance.now();
    const link = hand.attach(bare);
    if (round > 0) byHand?.push(performance.now() - begin);
    hand.detach(link);
  }
  for (const _ of upTo(LOOKS)) {
    const begin = performance.now();
    networks.endpointsOf(networks.find(NETWORK).id);
    looked?.push(performance.now() - begin);
  }
  const path = boxes[0] === undefined ? '' : sandboxes.get(boxes[0])?.path;
  const asked = [process.execPath, CLIENT, '127.0.0.11', 'box0', '500', '32'];
  const answers = JSON.parse(await ok(['nsenter', `--net=${path}`, ...asked])) as { rate: number };
  samples.push({ kind: 'attach', size, values: ours ?? [] }, { kind: 'by hand', size, values: byHand ?? [] });
  samples.push({ kind: 'look', size, values: looked ?? [] }, { kind: 'names', size, values: [answers.rate] });
}
const closed: number[] = [];
await inParallel(boxes, PARALLEL, async (id) => {
  const begin = performance.now();
  await sandboxes.close(id);
  closed.push(performance.now() - begin);
});
samples.push({ kind: 'close', size: boxes.length, values: closed });
console.log(JSON.stringify(samples));
