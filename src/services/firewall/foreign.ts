import type { IpFamily } from '../../base/index.ts';

/** A new connection that the host forwards. */
export interface ForwardedPacket {
  readonly iifname: string;
  readonly oifname: string;
  /** To a published port. */
  readonly translated: boolean;
}

/** A chain of somebody else's that drops it. */
export interface ForeignDrop {
  /** `ip filter`, `FORWARD`; the chain that the kernel calls, not one it jumps to. */
  readonly table: string;
  readonly chain: string;
  /** Where rules of the operator's belong: the chain itself, or the one that Docker keeps for them. */
  readonly userChain: string;
  /** By what nothing before accepted, or by a rule. */
  readonly by: 'policy' | 'rule';
}

type Verdict = 'accept' | 'drop' | 'return';
type Node = Readonly<Record<string, unknown>>;

interface Chain {
  readonly table: string;
  readonly name: string;
  readonly hook: string | undefined;
  readonly policy: string | undefined;
  readonly rules: Node[][];
}

const MAX_DEPTH = 16;
/** As nft prints them, by name or by the bit of the kernel's. */
const NEW = ['new', '8'];
const TRANSLATED = ['dnat', '32'];
/** Docker calls it before its own rules and leaves it alone. */
const DOCKER_USER = 'DOCKER-USER';

/** Tables with a chain that forwarded packets of the family pass, out of nft's JSON of all chains; ours are left out. */
export function forwardingTables(chains: unknown, own: readonly string[]): readonly string[] {
  const hooked = [...chainsOf(chains).values()].filter(({ hook }) => hook === 'forward');
  return [...new Set(hooked.map(({ table }) => table))].filter((table) => !own.includes(table));
}

/**
 * Which of the chains in nft's JSON of a table would drop a packet with nothing special about it: a condition that is not
 * about interfaces or the connection's state is taken for one it does not meet.
 */
export function foreignDrops(table: unknown, family: IpFamily, packet: ForwardedPacket): readonly ForeignDrop[] {
  const chains = chainsOf(table);
  return [...chains.values()].flatMap((chain): readonly ForeignDrop[] => {
    if (chain.hook !== 'forward' || !concerns(chain.table, family)) return [];
    const verdict = walk(chains, chain, packet, 0);
    const userChain = chains.has(`${chain.table} ${DOCKER_USER}`) ? DOCKER_USER : chain.name;
    const drop = (by: ForeignDrop['by']): ForeignDrop[] => [{ table: chain.table, chain: chain.name, userChain, by }];
    if (verdict === 'drop') return drop('rule');
    return verdict !== 'accept' && chain.policy === 'drop' ? drop('policy') : [];
  });
}

function concerns(table: string, family: IpFamily): boolean {
  return table.startsWith('inet ') || table.startsWith(family === 4 ? 'ip ' : 'ip6 ');
}

function chainsOf(json: unknown): Map<string, Chain> {
  const { nftables = [] } = json as { readonly nftables?: readonly Node[] };
  const chains = new Map<string, Chain>();
  for (const { chain } of nftables as readonly { readonly chain?: Readonly<Record<string, string>> }[]) {
    if (chain === undefined) continue;
    const { family, table, name = '', hook, policy } = chain;
    chains.set(`${family} ${table} ${name}`, { table: `${family} ${table}`, name, hook, policy, rules: [] });
  }
  for (const { rule } of nftables as readonly { readonly rule?: Node }[]) {
    if (rule === undefined || !Array.isArray(rule.expr)) continue;
    chains.get(`${rule.family} ${rule.table} ${rule.chain}`)?.rules.push(rule.expr as Node[]);
  }
  return chains;
}

function walk(chains: Map<string, Chain>, chain: Chain, packet: ForwardedPacket, depth: number): Verdict | undefined {
  if (depth > MAX_DEPTH) return undefined;
  for (const rule of chain.rules) {
    for (const statement of rule) {
      const result = step(statement, packet);
      if (result === 'next') continue;
      if (result === 'no match') break;
      if (typeof result === 'string') return result;
      const target = chains.get(`${chain.table} ${result.target}`);
      const verdict = target === undefined ? undefined : walk(chains, target, packet, depth + 1);
      if (verdict === 'accept' || verdict === 'drop') return verdict;
      if (result.leaves) return 'return';
    }
  }
  return undefined;
}

type Step = 'next' | 'no match' | Verdict | { readonly target: string; readonly leaves: boolean };

function step(statement: Node, packet: ForwardedPacket): Step {
  const [[kind, value] = ['', undefined]] = Object.entries(statement);
  switch (kind) {
    case 'match':
      return matches(value as Node, packet) ? 'next' : 'no match';
    case 'accept':
    case 'drop':
    case 'return':
      return kind;
    case 'reject':
      return 'drop';
    case 'jump':
    case 'goto':
      return { target: String((value as Node).target), leaves: kind === 'goto' };
    case 'vmap':
      return mapped(value as Node, packet);
    case 'counter':
    case 'log':
    case 'comment':
    case 'mangle':
      return 'next';
    default:
      return 'no match';
  }
}

function mapped({ key, data }: Node, packet: ForwardedPacket): Step {
  const values = valuesOf(key as Node, packet);
  const set = (data as { readonly set?: readonly (readonly [unknown, Node])[] }).set ?? [];
  const found = set.find(([element]) => values?.some((value) => fits(element, value)) === true);
  return found === undefined ? 'no match' : step(found[1], packet);
}

function matches({ op, left, right }: Node, packet: ForwardedPacket): boolean {
  const values = valuesOf(left as Node, packet);
  if (values === undefined) return false;
  const wanted = typeof right === 'object' && right !== null && 'set' in right ? right.set : right;
  const any = (Array.isArray(wanted) ? wanted : [wanted]).some((one) => values.some((value) => fits(one, value)));
  return op === '!=' ? !any : any;
}

/** What the packet has for a left-hand side; undefined for what is not known of it. */
function valuesOf({ meta, ct }: Node, packet: ForwardedPacket): readonly string[] | undefined {
  const key = ((meta ?? ct) as Node | undefined)?.key;
  if (meta !== undefined && key === 'iifname') return [packet.iifname];
  if (meta !== undefined && key === 'oifname') return [packet.oifname];
  if (ct !== undefined && key === 'state') return NEW;
  if (ct !== undefined && key === 'status') return packet.translated ? TRANSLATED : [''];
  return undefined;
}

function fits(pattern: unknown, value: string): boolean {
  if (typeof pattern === 'number') return String(pattern) === value;
  if (typeof pattern !== 'string') return false;
  return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : pattern === value;
}
