import { type Id, shortId } from '../../base/index.ts';
import type { NetworkRecord } from '../../model/index.ts';
import type { LiveEndpoint, LiveSandbox } from '../state.ts';
import type { Attacher } from './attacher.ts';
import { selectGateways } from './gateways.ts';

export interface WayOutDeps {
  readonly attacher: Pick<Attacher, 'attach' | 'detach'>;
  /** The gateway network, made if need be. */
  readonly network: () => Promise<Pick<NetworkRecord, 'id'>>;
}

/**
 * Joins sandboxes to the gateway network that are on networks without a way out of their own (overlay) and have no other, and
 * parts them when they have. The caller holds the sandbox's turn.
 */
export class WayOut {
  readonly #deps: WayOutDeps;

  constructor(deps: WayOutDeps) {
    this.#deps = deps;
  }

  /** Repeatable. */
  async adjust(sandbox: LiveSandbox): Promise<void> {
    const { attacher, network } = this.#deps;
    const present = sandbox.endpoints.find(({ record }) => record.wayOut === true);
    const needed = needsWayOut(sandbox);
    if (needed && present === undefined) {
      const { id }: { readonly id: Id } = await network();
      const name = `gateway_${shortId(sandbox.record.id)}`;
      const request = {
        sandboxId: sandbox.record.id,
        network: id,
        name,
        dnsNames: [],
        request: {},
        wayOut: true,
      } as const;
      await attacher.attach(sandbox, request);
    }
    if (!needed && present !== undefined) await attacher.detach(sandbox, present.record.networkId);
  }
}

function needsWayOut({ record, endpoints }: LiveSandbox): boolean {
  if (record.host) return false;
  const own = endpoints.filter((endpoint) => endpoint.record.wayOut !== true);
  return own.some(wantsWayOut) && selectGateways(own).ipv4 === undefined;
}

function wantsWayOut({ network: { driver, record } }: LiveEndpoint): boolean {
  return driver?.traits.needsGatewayNetwork === true && !record.internal;
}
