import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/index.ts';
import { isErrno, type Link, type Rtnl } from '../kernel/index.ts';

export interface DiscardedLinksDeps {
  readonly rtnl: Rtnl;
  readonly clock: Clock;
}

/** Links of this group are ours and wait for deletion: "fwx" in hex, and a zero. */
const GROUP = 0x66_77_78_00;
const NAME = /^fwx[0-9a-f]{10}$/;
const QUIET_MS = 250;
const MAX_WAITING = 128;

/** Name and group of a link that {@link DiscardedLinks.flush} deletes, of this daemon or a later one. */
export function discardedName(): { readonly name: string; readonly group: number } {
  return { name: `fwx${randomBytes(5).toString('hex')}`, group: GROUP };
}

/**
 * Deleting a bridge or a veth holds the kernel's link lock for about 20 ms, a group of them for hardly longer than one. So
 * a link that is done with is put out of use at once (down, without addresses and master, its name free again) and
 * deleted with others when nothing has been asked for a while, at the latest by {@link flush}.
 */
export class DiscardedLinks implements Disposable {
  readonly #rtnl: Rtnl;
  readonly #clock: Clock;
  #waiting = 0;
  #cancel: (() => void) | undefined;

  constructor(deps: DiscardedLinksDeps) {
    this.#rtnl = deps.rtnl;
    this.#clock = deps.clock;
  }

  /** The link must be in the namespace of the daemon. Gone already is fine. */
  discard(link: Link): void {
    try {
      this.#rtnl.links.set(link.index, { up: false, masterIndex: 0 });
      // A mark would make it somebody's again.
      this.#rtnl.links.set(link.index, { ...discardedName(), alias: '' });
      if (link.kind === 'bridge') this.#flushAddresses(link.index);
    } catch (error) {
      if (isErrno(error, 'ENODEV')) return;
      throw error;
    }
    this.#waiting += 1;
    if (this.#waiting >= MAX_WAITING) this.flush();
    else this.postpone();
  }

  /** Whoever is about to do something that a user waits for says so. */
  postpone(): void {
    if (this.#waiting === 0) return;
    this.#cancel?.();
    this.#cancel = this.#clock.after(QUIET_MS, () => this.flush());
  }

  /** Deletes them now, those of an earlier daemon too. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waiting = 0;
    const found = this.#rtnl.links.list().filter((link) => link.group === GROUP);
    if (found.length === 0) return;
    if (found.every((link) => NAME.test(link.name))) {
      this.#rtnl.links.deleteGroup(GROUP);
      return;
    }
    // Somebody else uses the same number for a group.
    for (const link of found) if (NAME.test(link.name)) this.#rtnl.links.delete(link.index);
  }

  [Symbol.dispose](): void {
    this.flush();
  }

  #flushAddresses(index: number): void {
    for (const address of this.#rtnl.addresses.list(index)) this.#rtnl.addresses.remove(index, address.cidr);
  }
}
