// nftables through libnftables, in process: scripts in, one transaction each. What the rules mean is not known here, and
// nothing is spawned.
export * from './monitor.ts';
export * from './nft.ts';
export * from './quote.ts';
