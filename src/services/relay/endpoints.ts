import type { Ip, IpFamily } from '../../base/index.ts';

/** Where the relay sends to. */
export interface Target {
  readonly ip: Ip;
  readonly port: number;
}

/** A bound socket to listen on; whoever gets it closes it. A dual-stack one is of family 6. */
export interface BoundDescriptor {
  readonly fd: number;
  readonly family: IpFamily;
}

/** Where the relay listens: on a bound socket, or on an address of its own. */
export type Source = BoundDescriptor | { readonly host: Ip; readonly port: number };

/** A relay that runs. */
export interface RunningRelay {
  /** Ends it, connections included; resolves when the port is free. Repeatable. */
  close(): Promise<void>;
}
