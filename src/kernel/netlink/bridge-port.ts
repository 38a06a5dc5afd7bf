import { AF_BRIDGE } from '../ffi/index.ts';
import { uapi as c, type MessageWriter } from './core/index.ts';
import { linkHeader } from './link-kinds.ts';

/** Settings of a bridge's port. */
export interface BridgePortSettings {
  /** No frames to or from other isolated ports. Layer 2 only: routed by way of the bridge they still meet. */
  readonly isolated?: boolean | undefined;
  /** Frames may leave by the port they came in. */
  readonly hairpin?: boolean | undefined;
  readonly learning?: boolean | undefined;
  readonly unicastFlood?: boolean | undefined;
  readonly multicastFlood?: boolean | undefined;
  readonly broadcastFlood?: boolean | undefined;
  readonly neighbourSuppression?: boolean | undefined;
}

const ATTRIBUTES: Readonly<Record<keyof BridgePortSettings, number>> = {
  isolated: c.IFLA_BRPORT_ISOLATED,
  hairpin: c.IFLA_BRPORT_MODE,
  learning: c.IFLA_BRPORT_LEARNING,
  unicastFlood: c.IFLA_BRPORT_UNICAST_FLOOD,
  multicastFlood: c.IFLA_BRPORT_MCAST_FLOOD,
  broadcastFlood: c.IFLA_BRPORT_BCAST_FLOOD,
  neighbourSuppression: c.IFLA_BRPORT_NEIGH_SUPPRESS,
};

export function bridgePortMessage(write: MessageWriter, index: number, settings: BridgePortSettings): MessageWriter {
  write.raw(linkHeader(AF_BRIDGE, index));
  return write.nest(c.IFLA_PROTINFO, () => {
    for (const [name, type] of Object.entries(ATTRIBUTES)) {
      const value = settings[name as keyof BridgePortSettings];
      if (value !== undefined) write.u8(type, Number(value));
    }
  });
}
