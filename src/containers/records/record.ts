import type { Id } from '../../base/index.ts';
import type { ContainerState, ContainerView, MountPoint } from '../contract.ts';
import type { ConfiguredNetwork, ContainerSpec } from '../options.ts';

/** Docker's "never". */
export const NEVER = '0001-01-01T00:00:00Z';

export type StoredState = Omit<ContainerState, 'health'>;

/** A container as stored under `containers/<id>`. Plain JSON data. */
export interface ContainerRecord {
  readonly version: 1;
  readonly id: Id;
  readonly name: string;
  readonly created: string;
  readonly spec: ContainerSpec;
  readonly imageId: string;
  readonly effective: ContainerView['effective'];
  readonly networks: readonly ConfiguredNetwork[];
  readonly mounts: readonly MountPoint[];
  readonly state: StoredState;
  /** A user stopped it: `unless-stopped` and `on-failure` leave it alone when the daemon comes back. */
  readonly stoppedByUser: boolean;
  /** The network namespace of its own, while it runs. */
  readonly sandboxId?: Id;
  /** `container:` mode: whose namespace it shares. */
  readonly sharesSandboxOf?: Id;
  /** Anonymous volumes: gone with the container when asked. */
  readonly anonymousVolumes: readonly string[];
}

export const CREATED: StoredState = {
  status: 'created',
  pid: 0,
  exitCode: 0,
  error: '',
  oomKilled: false,
  startedAt: NEVER,
  finishedAt: NEVER,
  restartCount: 0,
};

export function isRunning(record: ContainerRecord): boolean {
  return record.state.status === 'running' || record.state.status === 'paused';
}

export function isHostNetwork(record: ContainerRecord): boolean {
  return record.spec.network.mode === 'host';
}

/** The reference after `container:`, or null for a network of its own. */
export function sharedNetworkRef(mode: string): string | null {
  return mode.startsWith('container:') ? mode.slice('container:'.length) : null;
}
