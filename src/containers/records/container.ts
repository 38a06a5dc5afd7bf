import { Emitter, type Id } from '../../base/index.ts';
import type { Mount } from '../containerd/index.ts';
import type { HealthState } from '../contract.ts';
import type { ContainerRecord, StoredState } from './record.ts';

export interface ExitNotice {
  readonly exitCode: number;
  readonly error?: string;
}

/** A container in memory: its record and what lives only while the daemon does. */
export class Container {
  #record: ContainerRecord;
  /** Every end of its process, in order. */
  readonly exited = new Emitter<ExitNotice>();
  readonly removed = new Emitter<ExitNotice>();
  readonly execIds = new Set<string>();
  health: HealthState | undefined;
  /** What the snapshotter said to mount, once asked. */
  rootfs: readonly Mount[] | undefined;
  /** containerd has a record of it, so that a start changes it instead of making one. */
  known = false;
  /** containerd may have a task of it; false once its end was cleaned up. */
  mayHaveTask = true;
  /** Someone asked for its end: no restart policy brings it back. */
  stopping = false;
  /** The ongoing clean-up after an exit; start and remove wait for it. */
  settling: Promise<void> = Promise.resolve();

  constructor(record: ContainerRecord) {
    this.#record = record;
  }

  get id(): Id {
    return this.#record.id;
  }

  get name(): string {
    return this.#record.name;
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get running(): boolean {
    const { status } = this.#record.state;
    return status === 'running' || status === 'paused';
  }

  /** In memory only; `Registry.save` makes it last. */
  change(change: Partial<Omit<ContainerRecord, 'version' | 'id'>>): void {
    this.#record = { ...this.#record, ...change };
  }

  changeState(change: Partial<StoredState>): void {
    this.#record = { ...this.#record, state: { ...this.#record.state, ...change } };
  }

  /** Forgets the sandbox: an absent member, not an undefined one, is what the record knows. */
  dropSandbox(): void {
    const { sandboxId: _sandbox, sharesSandboxOf: _shared, ...rest } = this.#record;
    this.#record = rest;
  }
}
