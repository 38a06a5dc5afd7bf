import { familyOf, type Ip, type IpFamily, internal, type Mac } from '../../base/index.ts';
import type { FdbSpec, Link, NetlinkError, Rtnl } from '../../kernel/index.ts';
import type { Drift } from '../../model/index.ts';
import type { About } from '../sandbox-link-drift.ts';
import type { PeerDifference, PeerEntries } from './peers.ts';

// Each Ethernet address is in two tables: the VXLAN link's own says to which node, the bridge's that it is behind the VXLAN
// link. Who has an IP address is said by the VXLAN link's neighbours, from which it answers ARP and neighbour discovery.

/** Where the kernel's tables are not as wanted. */
interface Comparison {
  readonly set: PeerEntries;
  readonly remove: {
    readonly own: readonly Mac[];
    readonly bridged: readonly Mac[];
    readonly neighbours: readonly Ip[];
  };
}

/** Entries of nodes that the VXLAN link can send to: it speaks one family. */
export function ofFamily(entries: PeerEntries, family: IpFamily): PeerEntries {
  const forwarding = [...entries.forwarding].filter(([, underlay]) => familyOf(underlay) === family);
  return forwarding.length === entries.forwarding.size ? entries : { ...entries, forwarding: new Map(forwarding) };
}

/** After everything was tried: whoever told of the entries is told, and tells again. */
export function throwRefused(failures: readonly NetlinkError[]): void {
  const [first] = failures;
  if (first === undefined) return;
  throw internal('peers_refused', `the kernel refuses ${failures.length} of them: ${first.message}`, first);
}

/** Makes the tables hold these and no others, by difference. Returns what the kernel refused. */
export function replacePeerEntries(rtnl: Rtnl, link: Link, wanted: PeerEntries): readonly NetlinkError[] {
  const { set, remove } = compare(rtnl, link, wanted);
  const at = (mac: Mac): FdbSpec => ({ linkIndex: link.index, mac });
  return change(rtnl, link, {
    set,
    neighbours: remove.neighbours,
    forwarding: [...remove.own.map(at), ...remove.bridged.map((mac) => ({ ...at(mac), master: true }))],
  });
}

/** Returns what the kernel refused. */
export function changePeerEntries(rtnl: Rtnl, link: Link, { set, remove }: PeerDifference): readonly NetlinkError[] {
  const forwarding = remove.forwarding.flatMap((mac): FdbSpec[] => [
    { linkIndex: link.index, mac },
    { linkIndex: link.index, mac, master: true },
  ]);
  return change(rtnl, link, { set, forwarding, neighbours: remove.neighbours });
}

function change(
  rtnl: Rtnl,
  { index: linkIndex }: Link,
  what: { readonly set: PeerEntries; readonly forwarding: readonly FdbSpec[]; readonly neighbours: readonly Ip[] },
): readonly NetlinkError[] {
  const forwarding = [...what.set.forwarding].map(
    ([mac, destination]): FdbSpec => ({ linkIndex, mac, destination, master: 'too' }),
  );
  const neighbours = [...what.set.neighbours].map(([ip, mac]) => ({ linkIndex, ip, mac }));
  return [
    ...rtnl.fdb.changeAll({ remove: what.forwarding, set: forwarding }),
    ...rtnl.neighbours.changeAll({ remove: what.neighbours.map((ip) => ({ linkIndex, ip })), set: neighbours }),
  ];
}

/** What of the entries is not as it should be, and what is there beside them. */
export function peerDrift(rtnl: Rtnl, link: Link, wanted: PeerEntries, about: About): readonly Drift[] {
  const { set, remove } = compare(rtnl, link, wanted);
  const on = `on ${link.name}`;
  const drift = (kind: Drift['kind'], object: string, foreign: boolean): Drift =>
    foreign
      ? { ...about, kind, problem: 'different', object: `${object} ${on}`, detail: 'nobody of ours made it' }
      : { ...about, kind, problem: 'missing', object: `${object} ${on}` };
  return [
    ...[...set.forwarding].map(([mac, node]) => drift('forwarding', `${mac} to ${node}`, false)),
    ...[...set.neighbours].map(([ip, mac]) => drift('neighbour', `${ip} at ${mac}`, false)),
    ...[...new Set([...remove.own, ...remove.bridged])].map((mac) => drift('forwarding', mac, true)),
    ...remove.neighbours.map((ip) => drift('neighbour', ip, true)),
  ];
}

function compare(rtnl: Rtnl, link: Link, wanted: PeerEntries): Comparison {
  const own = new Map<Mac, Ip | undefined>();
  const bridged = new Set<Mac>();
  for (const { mac, destination, self, masterIndex, state } of rtnl.fdb.list(link.index)) {
    if (self) own.set(mac, destination);
    else if (state !== 'permanent' && masterIndex !== undefined) bridged.add(mac);
  }
  const neighbours = new Map(
    // The kernel's own are for multicast, and not permanent.
    rtnl.neighbours.list(link.index).flatMap(({ ip, mac, state }) => (state === 'permanent' ? [[ip, mac]] : [])),
  );
  const whole = (mac: Mac, node: Ip): boolean => own.get(mac) === node && bridged.has(mac);
  return {
    set: {
      forwarding: new Map([...wanted.forwarding].filter(([mac, node]) => !whole(mac, node))),
      neighbours: new Map([...wanted.neighbours].filter(([ip, mac]) => neighbours.get(ip) !== mac)),
    },
    remove: {
      own: [...own.keys()].filter((mac) => !wanted.forwarding.has(mac)),
      bridged: [...bridged].filter((mac) => !wanted.forwarding.has(mac)),
      neighbours: [...neighbours.keys()].filter((ip) => !wanted.neighbours.has(ip)),
    },
  };
}
