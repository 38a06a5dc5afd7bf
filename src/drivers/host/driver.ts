import { invalid } from '../../base/index.ts';
import type { Attachment, DriverNetworkRequest, DriverTraits, NetworkDriver, NetworkSetup } from '../../model/index.ts';

/** The host's own network: nothing is made, nothing is published. */
export class HostDriver implements NetworkDriver {
  readonly traits: DriverTraits = {
    name: 'host',
    scope: 'local',
    usesIpam: false,
    allocatesGateway: false,
    publishesPorts: false,
    resolvesNames: false,
    predefinedOnly: true,
  };

  validate(request: DriverNetworkRequest): void {
    if (!request.internal) return;
    throw invalid(
      'invalid_internal',
      `cannot create network "${request.name}": driver host knows no internal networks`,
    );
  }

  async createNetwork(): Promise<NetworkSetup> {
    return { firewall: [] };
  }

  async removeNetwork(): Promise<void> {}

  async restoreNetwork(): Promise<NetworkSetup> {
    return { firewall: [] };
  }

  async attach(): Promise<Attachment> {
    return NOTHING;
  }

  async detach(): Promise<void> {}

  restoreAttachment(): Attachment {
    return NOTHING;
  }
}

const NOTHING: Attachment = { firewall: [], state: {} };
