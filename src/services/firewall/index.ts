// The packet filter of the host: entries (a network, a published port, a link, what a port may send) become elements of a
// few sets and maps in two nftables tables, of packets and of frames, whose rules never change. Only `NftFirewall` applies;
// the rest is pure. It must not change another table (it makes the operator's when that is missing), read the ruleset back
// on the way of a change, or make a rule per container.
export { type Element, elementsOf, entryKey } from './elements.ts';
export { type ForeignDrop, type ForwardedPacket, foreignDrops, forwardingTables } from './foreign.ts';
export { NftFirewall, type NftFirewallDeps, type NftFirewallOptions, type NftScripts } from './nft-firewall.ts';
export { renderTable } from './render.ts';
export { rulesetText, TABLE, TABLES, USER_TABLE } from './ruleset.ts';
export { Seal, type SealConnection, type SealDeps } from './seal.ts';
