import type { Cidr } from '../../base/index.ts';
import { type AddressOptions, addressMessage, removalMessage } from './addresses.ts';
import { type BatchFailure, uapi as c, MessageWriter, type NetlinkSocket } from './core/index.ts';
import { type LinkChange, setLinkMessage } from './links.ts';

/**
 * Changes of links and addresses that go to the kernel in one system call and are done in their order. It does not stop at one that
 * it refuses.
 */
export class RtnlBatch {
  readonly #socket: NetlinkSocket;
  readonly #messages: MessageWriter[] = [];

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** As `Links.set`. */
  setLink(index: number, change: LinkChange): this {
    this.#messages.push(setLinkMessage(index, change, c.NLM_F_REQUEST));
    return this;
  }

  /** As `Addresses.add`; one that is there is a failure. */
  addAddress(linkIndex: number, cidr: Cidr, options: Omit<AddressOptions, 'ifMissing'> = {}): this {
    const write = new MessageWriter(c.RTM_NEWADDR, c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_EXCL);
    this.#messages.push(addressMessage(write, linkIndex, cidr, options));
    return this;
  }

  /** As `Addresses.remove`; one that is not there is a failure. */
  removeAddress(linkIndex: number, cidr: Cidr): this {
    this.#messages.push(removalMessage(linkIndex, cidr, c.NLM_F_REQUEST));
    return this;
  }

  /** Failures name the changes by their place; all others were done. `action` follows "cannot". */
  run(action: string): readonly BatchFailure[] {
    return this.#messages.length === 0 ? [] : this.#socket.changeAll(this.#messages, action);
  }
}
