import { type Log, messageOf, silentLog } from '../../base/index.ts';
import type { Drift, Firewall, FirewallEntry, SpoofedFrames } from '../../model/index.ts';
import { tableDrift } from './compare.ts';
import { DesiredState, type FirewallChange, type Step } from './desired.ts';
import type { Element } from './elements.ts';
import { GUARD_TABLE, readSpoofedFrames } from './guard.ts';
import { renderChange, renderTable, renderTearDown } from './render.ts';
import { type RulesetOptions, renderUserTable, TABLES, USER_TABLE } from './ruleset.ts';

/** The slice of the kernel's nftables connection that is used: a script, done wholly or not at all; returns what it prints. */
export interface NftScripts {
  run(script: string): unknown;
  /** What it has, without counters. */
  list(what: string): string;
  /** The same, with what it prints as nft's JSON. */
  runJson(script: string): unknown;
}

/** {@link Seal} */
export interface PacketSeal {
  readonly active: boolean;
  cover(bridges: readonly string[]): void;
  verify(): readonly Drift[];
  restore(): void;
}

export interface NftFirewallDeps {
  readonly nft: NftScripts;
  /** Holds back what passes while the tables are missing. */
  readonly seal?: PacketSeal;
  /** Lends a packet filter that nothing passes, to see how nftables itself prints what should be there. */
  readonly scratch?: <T>(work: (nft: NftScripts) => T) => T;
  readonly log?: Log;
}

export type NftFirewallOptions = Omit<RulesetOptions, 'stamps'>;

/**
 * {@link Firewall} on one nftables table. All work is synchronous, so changes cannot overlap, and what we remember is
 * what the kernel last accepted.
 */
export class NftFirewall implements Firewall {
  readonly #nft: NftScripts;
  readonly #log: Log;
  readonly #scratch: NftFirewallDeps['scratch'];
  readonly #options: RulesetOptions;
  readonly #seal: PacketSeal | undefined;
  #desired = new DesiredState();
  /** False until the table is ours: what an earlier daemon left is unknown. */
  #installed = false;

  constructor(deps: NftFirewallDeps, options: NftFirewallOptions = {}) {
    this.#options = { ...options, stamps: deps.seal?.active === true };
    this.#seal = deps.seal;
    this.#nft = deps.nft;
    this.#scratch = deps.scratch;
    this.#log = deps.log ?? silentLog;
  }

  async replaceAll(entries: readonly FirewallEntry[]): Promise<void> {
    const desired = new DesiredState();
    const step = desired.plan({ add: entries });
    this.#replace(step);
    this.#desired = desired;
  }

  async apply(change: FirewallChange): Promise<void> {
    const step = this.#desired.plan(change);
    if (!this.#installed) return this.#replace(step);
    if (step.add.length > 0 || step.remove.length > 0) {
      try {
        this.#nft.run(renderChange(step));
      } catch (error) {
        // Deleting what is not there, or adding to a table that is not there, fails: somebody flushed it.
        this.#log.warn({ error: messageOf(error) }, 'the packet filter was changed by somebody else; rebuilding it');
        return this.#replace(step);
      }
    }
    step.commit();
    if ([...step.add, ...step.remove].some(isBridge)) this.#cover(this.#desired.elements());
  }

  /** Rebuilds the tables after somebody changed them. False when there are none yet. */
  async restore(): Promise<boolean> {
    if (!this.#installed) return false;
    this.#replace(this.#desired.plan({}));
    return true;
  }

  async verify(): Promise<readonly Drift[]> {
    if (!this.#installed || this.#scratch === undefined) return [];
    const sealing = this.#seal?.verify() ?? [];
    const there = String(this.#nft.run('list tables')).split('\n');
    const present = (table: string): boolean => there.includes(`table ${table}`);
    const script = renderTable(this.#desired.plan({}).all(), this.#options);
    const wanted = this.#scratch((nft) => {
      nft.run(script);
      return TABLES.map((table) => nft.list(`table ${table}`));
    });
    const tables = TABLES.flatMap((table, index): readonly Drift[] =>
      present(table)
        ? tableDrift(table, this.#nft.list(`table ${table}`), wanted[index] ?? '')
        : [{ kind: 'rules', problem: 'missing', object: `table ${table}` }],
    );
    return [...tables, ...sealing];
  }

  entries(): readonly FirewallEntry[] {
    return this.#desired.entries();
  }

  spoofedFrames(): readonly SpoofedFrames[] {
    return this.#installed ? readSpoofedFrames(this.#nft.runJson(`list set ${GUARD_TABLE} guarded`)) : [];
  }

  async tearDown(): Promise<void> {
    this.#nft.run(renderTearDown());
    this.#desired = new DesiredState();
    this.#installed = false;
  }

  /** When the rules are there already. */
  #cover(elements: readonly Element[]): void {
    this.#seal?.cover(elements.filter(isBridge).map(({ key }) => key));
  }

  #replace(step: Step): void {
    const elements = step.all();
    this.#nft.run(renderTable(elements, this.#options));
    if (!this.#nft.list('tables').split('\n').includes(`table ${USER_TABLE}`)) this.#nft.run(renderUserTable());
    this.#installed = true;
    step.commit();
    this.#seal?.restore();
    this.#cover(elements);
  }
}

function isBridge({ set }: Element): boolean {
  return set === 'bridges';
}
