/** What the process that measures asks of those that are the nodes, and what they answer. */
export interface Orders {
  /** Makes these nodes and waits until all take part. Answers milliseconds. */
  start: (asked: {
    readonly endpoints: readonly string[];
    readonly prefix: string;
    readonly nodes: readonly number[];
  }) => number;
  createNetworks: (asked: { readonly count: number }) => null;
  /** Every node follows its networks and joins its endpoints, so many nodes at once. Answers milliseconds of each join. */
  join: (asked: JoinAsked) => readonly number[];
  /** What the nodes know: to be compared with what should be. */
  known: (asked: null) => readonly NodeView[];
  /** One further endpoint of this node. Answers when that was asked, in milliseconds of the machine's clock. */
  joinOne: (asked: { readonly node: number; readonly network: number; readonly name: string }) => number;
  /** When each other node of that network heard of it; a node that never does is waited for. */
  heard: (asked: { readonly node: number; readonly network: number; readonly name: string }) => readonly number[];
  /** Ends a node as its death would: nothing is told, its leases run out. */
  drop: (asked: { readonly node: number }) => null;
  /** When each other node of that network heard that it is not alive. */
  heardDead: (asked: { readonly node: number; readonly network: number }) => readonly number[];
  /** Resident bytes of the process, and nodes in it. */
  memory: (asked: null) => { readonly bytes: number; readonly nodes: number };
  stop: (asked: null) => null;
}

export interface JoinAsked {
  readonly networks: number;
  /** Of each node. */
  readonly endpoints: number;
  readonly atOnce: number;
}

export interface NodeView {
  readonly node: number;
  /** Sorted `network:address` of its own endpoints. */
  readonly own: readonly string[];
  /** By network: how many endpoints of others it knows. */
  readonly others: Readonly<Record<number, number>>;
}

export interface Question {
  readonly id: number;
  readonly order: keyof Orders;
  readonly asked: unknown;
}

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Of how many networks a node is. */
export const NETWORKS_OF_A_NODE = 5;

/** The networks of a node: a block of five, so that each network has the nodes of its block. */
export function networksOf(node: number, networks: number): readonly number[] {
  const blocks = Math.max(1, Math.floor(networks / NETWORKS_OF_A_NODE));
  const first = (node % blocks) * NETWORKS_OF_A_NODE;
  return Array.from({ length: Math.min(NETWORKS_OF_A_NODE, networks) }, (_, index) => first + index);
}

export function machineNow(): number {
  return performance.timeOrigin + performance.now();
}
