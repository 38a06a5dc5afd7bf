import { type Log, messageOf, silentLog } from '../base/index.ts';
import { isErrno, type Link, type Rtnl, readSysctl, writeSysctl } from '../kernel/index.ts';
import { isMarked } from './marks.ts';

const SWITCHES = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables', 'bridge-nf-call-arptables'];

/** Without `br_netfilter` in the kernel there is no such switch, and none is needed. */
export function bridgedPacketsAreFiltered(): boolean {
  try {
    return readSysctl(['net', 'bridge', 'bridge-nf-call-iptables']) === '1';
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/**
 * Spares packets between containers of one bridge the way through the packet filter and connection tracking, which costs
 * a fifth of the round trip: isolation within a bridge is done by its ports. The switches are for all bridges of the host,
 * so they stay as they are where anybody else has one. Once for each daemon.
 */
export class BridgedPackets {
  readonly #rtnl: Rtnl;
  readonly #log: Log;
  #settled = false;

  constructor({ rtnl, log = silentLog }: { readonly rtnl: Rtnl; readonly log?: Log | undefined }) {
    this.#rtnl = rtnl;
    this.#log = log;
  }

  settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    try {
      leaveAlone(this.#rtnl.links.list());
    } catch (error) {
      const context = { reason: messageOf(error) };
      this.#log.warn(context, 'bridged packets go on passing the packet filter, and are slower for it');
    }
  }
}

function leaveAlone(links: readonly Link[]): void {
  if (links.some((link) => link.kind === 'bridge' && !isMarked(link))) return;
  if (!bridgedPacketsAreFiltered()) return;
  for (const name of SWITCHES) writeSysctl(['net', 'bridge', name], 0);
}
