import { type Log, messageOf } from '../../base/index.ts';
import type { Cluster, ClusterEndpoint, EventSink } from '../../model/index.ts';
import type { Sandboxes } from '../contract.ts';
import type { NetworkState } from '../state.ts';
import { clusterEndpoint } from './endpoints.ts';
import type { GlobalNetworkList } from './networks.ts';
import type { KnownNodes } from './nodes.ts';
import type { RemoteEndpoints } from './remote-endpoints.ts';

export interface MembershipDeps {
  readonly cluster: Cluster;
  readonly networks: GlobalNetworkList;
  readonly nodes: KnownNodes;
  readonly remote: RemoteEndpoints;
  readonly state: NetworkState;
  readonly sandboxes: Pick<Sandboxes, 'detach'>;
  readonly events: EventSink;
  readonly log: Log;
}

/** Takes part with what runs from before. To be called once, when that is known. Returns its end. */
export function takePart(deps: MembershipDeps): () => void {
  const { cluster, networks, nodes, remote, state } = deps;
  const endOfTaken = cluster.onTaken((endpoint) => void takeOff(deps, endpoint));
  const endOfNodes = nodes.follow();
  networks.follow();
  const here = [...state.networks.values()].filter(({ record }) => state.made.has(record.id));
  for (const { record } of here) remote.follow(record);
  const endpoints = here.flatMap(({ record }) => state.endpointsOf(record.id));
  cluster.start(endpoints.map(({ record }) => clusterEndpoint(record, cluster.self.id)));
  return () => {
    endOfTaken();
    endOfNodes();
    networks.stop();
    remote.stop();
  };
}

/** Two of one address would both be unreachable now and then: the one that came back late goes. */
async function takeOff(deps: MembershipDeps, endpoint: ClusterEndpoint): Promise<void> {
  const { state, sandboxes, events, log } = deps;
  const live = state.findEndpoint(endpoint.endpointId);
  if (live === undefined) return;
  const { name, driver: type, id } = live.network.record;
  const address = endpoint.ipv4?.ip ?? endpoint.ipv6?.ip ?? '';
  const container = live.spec.ownerId;
  log.error(
    { network: name, container, address },
    'this host was out of the cluster for too long: another host has the address of a container now, which leaves the network',
  );
  events.publish({
    ...{ type: 'network', action: 'address_lost', id, scope: 'global' },
    attributes: { container, name, type, address },
  });
  try {
    await sandboxes.detach(live.record.sandboxId, live.record.networkId);
  } catch (error) {
    log.error({ network: name, container, reason: messageOf(error) }, 'cannot take a container off a network');
  }
}
