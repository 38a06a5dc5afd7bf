import { type Engine, startEngine } from './engine.ts';
import { TestEtcd } from './etcd.ts';
import { TestLan } from './lan.ts';

/** Nobody waits longer than this for a host that is dead. */
export const SHORT_PRESENCE = ['--cluster-store-opt=discovery.heartbeat=1', '--cluster-store-opt=discovery.ttl=3'];

/** Two hosts of a cluster, whose etcd is on the LAN beside them. */
export interface ClusterPair {
  readonly lan: TestLan;
  readonly etcd: TestEtcd;
  readonly a: Engine;
  readonly b: Engine;
}

/** `prefix` of the cluster's records; `flags` for both daemons beside those that say where the store is. */
export async function startClusterPair(
  undo: AsyncDisposableStack,
  prefix: string,
  flags: readonly string[] = [],
): Promise<ClusterPair> {
  const lan = undo.use(await TestLan.start());
  const etcd = undo.use(await TestEtcd.start([{ address: TestLan.address, inside: (command) => lan.inside(command) }]));
  const store = `--cluster-store=etcd://${etcd.endpoints.join(',')}/${prefix}`;
  const args = [store, '--cluster-advertise=eth0', ...flags];
  const [a, b] = await Promise.all([startEngine({ lan, args }), startEngine({ lan, args })]);
  undo.use(a);
  undo.use(b);
  return { lan, etcd, a, b };
}
