import { NETLINK_XFRM } from '../ffi/index.ts';
import { MulticastSocket, NetlinkSocket, readMessages } from '../netlink/core/index.ts';
import type { NetnsHandle } from '../netns/index.ts';
import * as c from './constants.ts';
import { XfrmPolicies } from './policies.ts';
import { XfrmStates } from './states.ts';

/** One socket of the kernel's IPsec, and what can be asked and changed through it in its network namespace. */
export class Xfrm implements Disposable {
  readonly states: XfrmStates;
  readonly policies: XfrmPolicies;
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
    this.states = new XfrmStates(socket);
    this.policies = new XfrmPolicies(socket);
  }

  /** Opens a socket in `ns`, or in the namespace the thread is in. EPROTONOSUPPORT: the kernel lacks CONFIG_XFRM_USER. */
  static open(ns?: NetnsHandle): Xfrm {
    return new Xfrm(NetlinkSocket.open(NETLINK_XFRM, ns));
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export interface XfrmMonitorOptions {
  /** Default: the namespace the thread is in. */
  readonly netns?: NetnsHandle | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

const QUEUE_BYTES = 1 << 20;
/** What takes states and policies away, or changes them. */
const TAKING: ReadonlySet<number> = new Set([
  c.XFRM_MSG_DELSA,
  c.XFRM_MSG_UPDSA,
  c.XFRM_MSG_FLUSHSA,
  c.XFRM_MSG_EXPIRE,
  c.XFRM_MSG_DELPOLICY,
  c.XFRM_MSG_UPDPOLICY,
  c.XFRM_MSG_FLUSHPOLICY,
  c.XFRM_MSG_POLEXPIRE,
]);

/** Says that something was taken away or changed, by whomever, ourselves included: time to look. Main thread only. */
export class XfrmMonitor implements Disposable {
  readonly #socket: MulticastSocket;

  private constructor(options: XfrmMonitorOptions, listener: () => void) {
    this.#socket = MulticastSocket.open(
      {
        protocol: NETLINK_XFRM,
        groups: [c.XFRMNLGRP_EXPIRE, c.XFRMNLGRP_SA, c.XFRMNLGRP_POLICY],
        queueBytes: QUEUE_BYTES,
        netns: options.netns,
      },
      {
        datagram: (bytes) => {
          if (readMessages(bytes).some(({ type }) => TAKING.has(type))) listener();
        },
        overrun: listener,
        error: options.onError ?? (() => {}),
      },
    );
  }

  static open(options: XfrmMonitorOptions, listener: () => void): XfrmMonitor {
    return new XfrmMonitor(options, listener);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
