import { unavailable } from '../../base/index.ts';
import type { ApiCluster, ClusterStatus } from '../cluster.ts';
import type { ApiDeps } from '../deps.ts';
import { type Answer, boolOf, type Call, ok, type Route } from '../http/index.ts';
import { ClusterInitBody, ClusterJoinBody } from '../wire/index.ts';

/** Docker's swarm is something else: routes of our own, under a name of our own. */
export function clusterRoutes({ cluster }: Pick<ApiDeps, 'cluster'>): Route[] {
  const having =
    (work: (cluster: ApiCluster, call: Call) => Promise<Answer>) =>
    (call: Call): Promise<Answer> => {
      if (cluster === undefined) throw unavailable('no_clusters', 'this engine knows no clusters');
      return work(cluster, call);
    };
  return [
    { method: 'GET', path: '/fairway/cluster', handle: having(async (one) => ok(encode(await one.status()))) },
    { method: 'GET', path: '/fairway/cluster/token', handle: having(async (one) => ok({ Token: await one.token() })) },
    { method: 'POST', path: '/fairway/cluster/init', handle: having(init) },
    { method: 'POST', path: '/fairway/cluster/join', handle: having(join) },
    { method: 'POST', path: '/fairway/cluster/leave', handle: having(leave) },
  ];
}

async function init(cluster: ApiCluster, call: Call): Promise<Answer> {
  const body = await call.json(ClusterInitBody);
  const token = await cluster.init(placeOf(body));
  return ok({ Token: token, Status: encode(await cluster.status()) }, 201);
}

async function join(cluster: ApiCluster, call: Call): Promise<Answer> {
  const body = await call.json(ClusterJoinBody);
  await cluster.join({ token: body?.Token ?? '', manager: body?.Manager ?? false, ...placeOf(body) });
  return ok({ Status: encode(await cluster.status()) });
}

async function leave(cluster: ApiCluster, call: Call): Promise<Answer> {
  await cluster.leave({ force: boolOf(call.query, 'force') });
  return ok({ Status: encode(await cluster.status()) });
}

function placeOf(body: { readonly AdvertiseAddr: string; readonly Port?: number | null | undefined } | undefined) {
  const { AdvertiseAddr: advertise = '', Port: port } = body ?? {};
  return { ...(advertise !== '' && { advertise }), ...(typeof port === 'number' && { port }) };
}

function encode(status: ClusterStatus) {
  return {
    Kind: status.kind,
    Endpoints: status.endpoints,
    AdvertiseAddr: status.advertise,
    Manager: status.manager,
    Reachable: status.reachable,
    Problem: status.problem,
    Members: status.members.map(({ id, name, endpoints }) => ({ ID: id, Name: name, Endpoints: endpoints })),
    Nodes: status.nodes.map(({ id, name, address, alive, self, manager }) => ({
      ID: id,
      Name: name,
      Address: address,
      Alive: alive,
      Self: self,
      Manager: manager,
    })),
  };
}
