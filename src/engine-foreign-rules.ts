import { familyOf, type IpFamily, type Log, messageOf, parseIp } from './base/index.ts';
import type { Nft, Rtnl } from './kernel/index.ts';
import type { Firewall, NetworkEntry } from './model/index.ts';
import { type ForeignDrop, foreignDrops, forwardingTables, TABLES } from './services/firewall/index.ts';

export interface ForeignRulesDeps {
  readonly nft: Pick<Nft, 'runJson'>;
  readonly rtnl: Rtnl;
  readonly firewall: Pick<Firewall, 'entries'>;
  readonly log: Log;
}

interface Found {
  readonly drop: ForeignDrop;
  readonly bridges: Set<string>;
  /** The link of the default route. */
  readonly outside: string;
}

/** Addresses for documentation: whatever leads to them is the default route. */
const OUTSIDE = { 4: parseIp('192.0.2.1'), 6: parseIp('2001:db8::1') } as const;

/** A sentence for each chain of somebody else's that drops what containers send, or what is published. */
export function foreignRuleWarnings(deps: ForeignRulesDeps): readonly string[] {
  try {
    return warningsOf(deps);
  } catch (error) {
    deps.log.warn({ reason: messageOf(error) }, "cannot read others' rules for forwarded packets");
    return [];
  }
}

function warningsOf({ nft, rtnl, firewall }: ForeignRulesDeps): readonly string[] {
  const found = new Map<string, Found>();
  const tables = forwardingTables(nft.runJson('list chains'), TABLES).map((table) =>
    nft.runJson(`list table ${table}`),
  );
  for (const { bridge, subnet } of firewall.entries().filter(isOpenNetwork)) {
    const family = familyOf(subnet.ip);
    const outside = uplink(rtnl, family);
    if (outside === undefined) continue;
    const packets = [
      { iifname: bridge, oifname: outside, translated: false },
      { iifname: outside, oifname: bridge, translated: true },
    ];
    for (const drop of tables.flatMap((table) => packets.flatMap((packet) => foreignDrops(table, family, packet)))) {
      const key = `${drop.table} ${drop.chain}`;
      const known = found.get(key) ?? { drop, outside, bridges: new Set() };
      found.set(key, known);
      known.bridges.add(bridge);
    }
  }
  return [...found.values()].map(sentence);
}

function isOpenNetwork(entry: { readonly kind: string }): entry is NetworkEntry {
  return entry.kind === 'network' && !(entry as NetworkEntry).internal;
}

function uplink(rtnl: Rtnl, family: IpFamily): string | undefined {
  const index = rtnl.routes.lookup(OUTSIDE[family])?.linkIndex;
  return index === undefined ? undefined : rtnl.links.get(index)?.name;
}

/** Narrow enough that what others keep apart from each other stays apart. */
function sentence({ drop: { table, chain, userChain, by }, bridges, outside }: Found): string {
  const [bridge = ''] = bridges;
  const how = by === 'policy' ? 'its policy is drop' : 'a rule in it';
  const insert = `nft insert rule ${table} ${userChain}`;
  const advice = `accept them there, for example: ${insert} iifname ${bridge} oifname ${outside} accept; ${insert} oifname ${bridge} accept`;
  return `chain ${chain} of nftables table ${table} drops forwarded packets of ${[...bridges].join(', ')} (${how}): ${advice}`;
}
