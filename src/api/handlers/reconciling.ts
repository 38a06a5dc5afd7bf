import type { Drift, Reconciliation } from '../../model/index.ts';
import type { ApiDeps } from '../deps.ts';
import { type Answer, ok, type Route } from '../http/index.ts';

/** Docker has no such thing: routes of our own, under a name of our own. */
export function reconcilingRoutes({ reconciling }: Pick<ApiDeps, 'reconciling'>): Route[] {
  return [
    {
      method: 'GET',
      path: '/fairway/verify',
      handle: async () => ok({ Drift: (await reconciling.verify()).map(encodeDrift) }),
    },
    { method: 'POST', path: '/fairway/repair', handle: async () => encode(await reconciling.repair()) },
    { method: 'POST', path: '/fairway/gc', handle: async () => encode(await reconciling.collect()) },
  ];
}

function encode({ done, failed }: Reconciliation): Answer {
  return ok({
    Done: done.map(encodeDrift),
    Failed: failed.map((drift) => ({ ...encodeDrift(drift), Reason: drift.reason })),
  });
}

/** Absent ids are empty, as in the rest of the API. */
function encodeDrift({ kind, problem, object, detail, networkId, endpointId, ownerId }: Drift) {
  return {
    Kind: kind,
    Problem: problem,
    Object: object,
    Detail: detail ?? '',
    NetworkID: networkId ?? '',
    EndpointID: endpointId ?? '',
    ContainerID: ownerId ?? '',
  };
}
