import type { Rtnl } from '../kernel/index.ts';
import type { AttachSpec, Drift } from '../model/index.ts';
import { ownerOf } from './marks.ts';
import { down, makeGoodSandboxLink, ofEndpoint, sandboxLinkDrift } from './sandbox-link-drift.ts';

/** A port's end on the host, and the bridge it belongs into. */
export interface PortNames {
  readonly host: string;
  readonly bridge: string;
}

/** What of an endpoint's port is not as it was made. `bridge` is whole. */
export function portDrift(rtnl: Rtnl, spec: AttachSpec, what: PortNames): readonly Drift[] {
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

/** Puts both ends right. False when one of them has gone, or the bridge: the port is to be made anew. */
export function makeGoodVethPort(rtnl: Rtnl, spec: AttachSpec, names: PortNames): boolean {
  const host = rtnl.links.get(names.host);
  const bridge = rtnl.links.get(names.bridge);
  const whole = host !== undefined && ownerOf(host).endpoint === spec.endpointId && makeGoodSandboxLink(spec);
  if (!whole || bridge === undefined) return false;
  rtnl.links.set(host.index, { up: true, masterIndex: bridge.index });
  return true;
}
