import { createHash } from 'node:crypto';
import { invalid, type Mac, macBytes } from '../../base/index.ts';
import { type NetnsHandle, Rtnl } from '../../kernel/index.ts';
import type { LeaseLink } from '../../model/index.ts';

/** By what a server knows a client, before and after its restarts. */
export interface Identity {
  /** Of the link as it is. */
  readonly mac: Mac;
  readonly clientId: Uint8Array;
  readonly hostname: string;
}

const ETHERNET = 1;
/** No hardware address: something of the client's own (RFC 2132 §9.14). */
const OPAQUE = 0;

/** The link's own Ethernet address, as most clients do; one that is shared with others tells nobody apart. */
export function identityOf(ns: NetnsHandle, link: LeaseLink): Identity {
  using rtnl = Rtnl.open(ns);
  const mac = rtnl.links.get(link.ifname)?.mac;
  if (mac === undefined) throw invalid('no_such_link', `link ${link.ifname} has no Ethernet address, or is not there`);
  const { hostname } = link;
  if (link.mac !== undefined) return { mac, clientId: Uint8Array.of(ETHERNET, ...macBytes(mac)), hostname };
  const digest = createHash('sha256').update(`${link.ownerId} ${link.networkId}`).digest();
  return { mac, clientId: Uint8Array.of(OPAQUE, ...digest.subarray(0, 8)), hostname };
}
