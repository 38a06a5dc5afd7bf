// A process that is some of the simulated nodes; the one that measures tells it what to do (orders.ts).
import { type Answer, machineNow, networksOf, type Orders, type Question } from './orders.ts';
import { SimulatedNode } from './simulated-node.ts';

const nodes = new Map<number, SimulatedNode>();
let networks = 0;
/** How many nodes begin at once. */
const BEGINNING = 16;

type Handlers = {
  readonly [Order in keyof Orders]: (asked: Parameters<Orders[Order]>[0]) => Promise<ReturnType<Orders[Order]>>;
};

const handlers: Handlers = {
  start: async ({ nodes: numbers, ...where }) => {
    const start = performance.now();
    await inTurns(numbers, BEGINNING, async (number) => {
      nodes.set(number, await SimulatedNode.start(number, where));
    });
    return performance.now() - start;
  },
  createNetworks: async ({ count }) => {
    const [first] = nodes.values();
    for (let network = 0; network < count; network += 1) await first?.createNetwork(network);
    return null;
  },
  join: async (asked) => {
    networks = asked.networks;
    const taken: number[] = [];
    await inTurns([...nodes.values()], asked.atOnce, async (node) => {
      const own = networksOf(node.number, networks);
      for (const network of own) await node.follow(network);
      for (let index = 0; index < asked.endpoints; index += 1) {
        const start = performance.now();
        await node.join(own[index % own.length] ?? 0, `c-${node.number}-${index}`);
        taken.push(performance.now() - start);
      }
    });
    return taken;
  },
  known: async () => [...nodes.values()].map((node) => node.view()),
  joinOne: async ({ node, network, name }) => {
    const asked = machineNow();
    await nodes.get(node)?.join(network, name);
    return asked;
  },
  heard: async ({ node, network, name }) =>
    await Promise.all(neighbours(node, network).map((one) => one.heardOf(name))),
  drop: async ({ node }) => {
    await nodes.get(node)?.close();
    nodes.delete(node);
    return null;
  },
  heardDead: async ({ node, network }) =>
    await Promise.all(neighbours(node, network).map((one) => one.heardDead(node))),
  memory: async () => {
    globalThis.gc?.();
    return { bytes: process.memoryUsage().rss, nodes: nodes.size };
  },
  stop: async () => {
    await Promise.all([...nodes.values()].map((node) => node.close()));
    return null;
  },
};

function neighbours(node: number, network: number): readonly SimulatedNode[] {
  return [...nodes.values()].filter((one) => one.number !== node && networksOf(one.number, networks).includes(network));
}

async function inTurns<T>(all: readonly T[], atOnce: number, work: (one: T) => Promise<void>): Promise<void> {
  const rest = [...all];
  const lane = async (): Promise<void> => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

process.on('message', ({ id, order, asked }: Question) => {
  const handler = handlers[order] as (asked: unknown) => Promise<unknown>;
  handler(asked).then(
    (value) => process.send?.({ id, value } satisfies Answer),
    (error: unknown) =>
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? '') : String(error) } satisfies Answer),
  );
});
process.on('disconnect', () => process.exit());
