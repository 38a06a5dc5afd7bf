import { type Log, messageOf } from '../../base/index.ts';
import type { Cluster, ClusterEndpoint, EventSink, NetworkClash } from '../../model/index.ts';
import type { Sandboxes } from '../contract.ts';
import type { LiveEndpoint, NetworkState } from '../state.ts';
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
  const endOfClashes = cluster.onClash((clash) => void tellOfClash(deps, clash));
  const endOfNodes = nodes.follow();
  networks.follow();
  const here = [...state.networks.values()].filter(({ record }) => state.made.has(record.id));
  for (const { record } of here) remote.follow(record);
  const endpoints = here.flatMap(({ record }) => state.endpointsOf(record.id));
  cluster.start(
    endpoints.map(({ record }) => clusterEndpoint(record, cluster.self.id)),
    here.map(({ record }) => record),
  );
  return () => {
    endOfTaken();
    endOfClashes();
    endOfNodes();
    networks.stop();
    remote.stop();
  };
}

/** Two of one address would both be unreachable now and then: the one that came back late goes. */
async function takeOff(deps: MembershipDeps, endpoint: ClusterEndpoint): Promise<void> {
  const { state, events, log } = deps;
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
  await detach(deps, live);
}

/** Containers go on among those who knew each other; not where another network would hear them. */
async function tellOfClash(deps: MembershipDeps, { network, reason, indistinct }: NetworkClash): Promise<void> {
  const { state, events, log } = deps;
  const { id, name, driver: type } = network;
  const failed = 'the cluster has lost a network that containers of this host are on, and it cannot be put back';
  const next = indistinct ? 'they leave it' : 'nobody can join it; connect them to another, and remove it';
  log.error({ network: name, id, reason }, `${failed}: ${next}`);
  events.publish({ type: 'network', action: 'lost', id, scope: 'global', attributes: { name, type, reason } });
  for (const live of indistinct ? state.endpointsOf(id) : []) await detach(deps, live);
}

async function detach({ sandboxes, log }: MembershipDeps, { record, network, spec }: LiveEndpoint): Promise<void> {
  try {
    await sandboxes.detach(record.sandboxId, record.networkId);
  } catch (error) {
    const context = { network: network.record.name, container: spec.ownerId, reason: messageOf(error) };
    log.error(context, 'cannot take a container off a network');
  }
}
