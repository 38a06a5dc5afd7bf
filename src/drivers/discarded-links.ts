import { randomBytes } from 'node:crypto';
import { type Cidr, type Clock, type Log, messageOf, silentLog } from '../base/index.ts';
import { isErrno, type Link, type Rtnl } from '../kernel/index.ts';

export interface DiscardedLinksDeps {
  readonly rtnl: Rtnl;
  readonly clock: Clock;
  readonly log?: Log;
}

/** Links of this group are ours and wait for deletion: "fwx" in hex, and a zero. */
const GROUP = 0x66_77_78_00;
const NAME = /^fwx[0-9a-f]{10}$/;
const QUIET_MS = 250;
/** Long enough for the answer to whoever asked. */
const SOON_MS = 5;
const MAX_WAITING = 128;

/** Name and group of a link that {@link DiscardedLinks.flush} deletes, of this daemon or a later one. */
export function discardedName(): { readonly name: string; readonly group: number } {
  return { name: `fwx${randomBytes(5).toString('hex')}`, group: GROUP };
}

/**
 * Out of use: down, without master and these addresses, its name and its mark free for another. Gone already is fine, and said by
 * false.
 */
export function putOutOfUse(rtnl: Rtnl, { index }: Pick<Link, 'index'>, addresses: readonly Cidr[]): boolean {
  const batch = rtnl.batch();
  batch.setLink(index, { up: false, masterIndex: 0 });
  // A mark would make it somebody's again.
  batch.setLink(index, { ...discardedName(), alias: '' });
  for (const cidr of addresses) batch.removeAddress(index, cidr);
  for (const { error } of batch.run(`put link ${index} out of use`)) {
    if (isErrno(error, 'ENODEV')) return false;
    // Those of IPv6 have gone as it went down.
    if (!isErrno(error, 'EADDRNOTAVAIL')) throw error;
  }
  return true;
}

/**
 * Whoever deletes a bridge or a veth waits for about 20 ms, a group of them for hardly longer than one. So a link that is done with
 * is put out of use at once and deleted with others, in another thread, when nothing has been asked for a while, at the latest by
 * {@link flush}.
 */
export class DiscardedLinks implements Disposable {
  readonly #rtnl: Rtnl;
  readonly #clock: Clock;
  readonly #log: Log;
  #waiting = 0;
  /** One of them is in somebody's namespace. */
  #seen = false;
  #deleting = false;
  #cancel: (() => void) | undefined;

  constructor(deps: DiscardedLinksDeps) {
    this.#rtnl = deps.rtnl;
    this.#clock = deps.clock;
    this.#log = deps.log ?? silentLog;
  }

  /**
   * The link must be in the namespace of the daemon. Gone already is fine. `seen`: its other end, out of use as well, can still be
   * seen in a sandbox, so it goes soon.
   */
  discard(link: Link, { seen = false }: { readonly seen?: boolean } = {}): void {
    // A port of a bridge has none.
    const addresses = link.masterIndex === undefined ? this.#rtnl.addresses.list(link.index) : [];
    putOutOfUse(
      this.#rtnl,
      link,
      addresses.map(({ cidr }) => cidr),
    );
    this.#waiting += 1;
    this.#seen ||= seen;
    if (this.#seen || this.#waiting >= MAX_WAITING) this.#schedule(SOON_MS);
    else this.postpone();
  }

  /** Whoever is about to do something that a user waits for says so. */
  postpone(): void {
    if (this.#waiting > 0 && !this.#seen) this.#schedule(QUIET_MS);
  }

  /** Deletes them now, those of an earlier daemon too, and waits for it. */
  flush(): void {
    this.#begin();
    const found = this.#found();
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

  #found(): readonly Link[] {
    return this.#rtnl.links.listWithoutMaster().filter((link) => link.group === GROUP);
  }

  #begin(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waiting = 0;
    this.#seen = false;
  }

  #schedule(delay: number): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(delay, () => void this.#deleteAside());
  }

  /** One deletion at a time; what comes meanwhile is the next. */
  async #deleteAside(): Promise<void> {
    if (this.#deleting) {
      this.#schedule(SOON_MS);
      return;
    }
    this.#begin();
    this.#deleting = true;
    try {
      const found = this.#found();
      if (!found.every((link) => NAME.test(link.name))) this.flush();
      else if (found.length > 0) await this.#rtnl.links.deleteGroupAside(GROUP);
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, 'cannot delete links that are done with');
    } finally {
      this.#deleting = false;
    }
  }
}
