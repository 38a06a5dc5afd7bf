import { familyOf } from '../../base/index.ts';
import type { LinkEntry, SandboxLink } from '../../model/index.ts';
import type { LiveEndpoint } from '../state.ts';

/** Exceptions for the packet filter: where icc is on there is nothing to except. */
export function linkEntries(links: readonly SandboxLink[], endpoints: readonly LiveEndpoint[]): readonly LinkEntry[] {
  return links.flatMap(({ networkId, to, protocol, port }): readonly LinkEntry[] => {
    const endpoint = endpoints.find(({ record }) => record.networkId === networkId);
    if (endpoint === undefined) return [];
    const family = familyOf(to);
    const from = (family === 4 ? endpoint.record.ipv4 : endpoint.record.ipv6)?.ip;
    const closed = endpoint.network.setup.firewall.find(
      (entry) => entry.kind === 'network' && familyOf(entry.subnet.ip) === family && !entry.icc,
    );
    if (from === undefined || closed?.kind !== 'network') return [];
    return [{ kind: 'link', networkId, bridge: closed.bridge, from, to, protocol, port }];
  });
}
