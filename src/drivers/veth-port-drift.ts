import type { Rtnl } from '../kernel/index.ts';
import type { AttachSpec, Drift } from '../model/index.ts';
import { ownerOf } from './marks.ts';
import { down, ofEndpoint, sandboxLinkDrift } from './sandbox-link-drift.ts';

/** What of an endpoint's port is not as it was made. `bridge` is whole. */
export function portDrift(
  rtnl: Rtnl,
  spec: AttachSpec,
  what: { readonly host: string; readonly bridge: string },
): readonly Drift[] {
  const about = ofEndpoint(spec);
  const link = rtnl.links.get(what.host);
  if (link === undefined || ownerOf(link).endpoint !== spec.endpointId) {
    return [{ ...about, kind: 'link', problem: 'missing', object: what.host }, ...sandboxLinkDrift(spec)];
  }
  const bridge = rtnl.links.get(what.bridge);
  const astray = bridge !== undefined && link.masterIndex !== bridge.index;
  return [
    ...(link.flags.up ? [] : [down(what.host, about)]),
    ...(astray
      ? [
          {
            ...about,
            kind: 'link',
            problem: 'different',
            object: what.host,
            detail: `not a port of ${what.bridge}`,
          } as const,
        ]
      : []),
    ...sandboxLinkDrift(spec),
  ];
}
