// The packet filter of the host: entries (a network, a published port, a link) become elements of a few sets and maps in
// one nftables table whose rules never change. `elements` and `ruleset` are pure; only `NftFirewall` applies. It must not
// touch another table, read the ruleset back on the way of a change, or make a rule per container.
export { type Element, elementsOf, entryKey } from './elements.ts';
export { type ForeignDrop, type ForwardedPacket, foreignDrops, forwardingTables } from './foreign.ts';
export { NftFirewall, type NftFirewallDeps, type NftFirewallOptions, type NftScripts } from './nft-firewall.ts';
export { renderTable } from './render.ts';
export { rulesetText, TABLE, TABLES, USER_TABLE } from './ruleset.ts';
