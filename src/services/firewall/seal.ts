import { type Log, messageOf, silentLog } from '../../base/index.ts';
import type { Drift } from '../../model/index.ts';
import type { NftScripts } from './nft-firewall.ts';
import { STAMP } from './ruleset.ts';

/** Several can stand side by side for a moment: that of an earlier daemon goes when ours is there. */
const NAME = /^table inet (fairway_seal(\d+))$/;

/** A connection that owns the tables it makes, and its socket: they are there as long as anybody has that open. */
export interface SealConnection {
  readonly nft: NftScripts & { close(): void };
  readonly socket: { readonly fd: number; close(): void };
}

const ATTEMPTS = 3;

export interface SealDeps {
  /** A new one each time, which owns what `work` makes. */
  readonly open: (work: (nft: NftScripts) => void) => SealConnection;
  readonly log?: Log;
}

/**
 * What keeps networks apart while the rules are missing: a second table that nobody else can flush, change or delete, and
 * that outlives us in whoever keeps its socket. New connections from and to our bridges pass it only when the rules of
 * {@link NftFirewall} have seen them, who stamp what they let through (a bit of the connection's label). Its chains are of
 * type nat, which see the first packet of a connection alone: packets of what is established pay nothing, and go on to be
 * translated after a flush.
 *
 * Best effort: without it everything works, as before. It never throws.
 */
export class Seal implements Disposable {
  readonly #deps: SealDeps;
  readonly #log: Log;
  #connection: SealConnection | undefined;
  #name = '';
  #bridges: ReadonlySet<string> = new Set();
  #keeper: (socketFd: number) => void = () => {};

  private constructor(deps: SealDeps) {
    this.#deps = deps;
    this.#log = deps.log ?? silentLog;
  }

  /** Covers what an earlier one did, so that it can go. Inactive where the kernel has no tables with an owner, or no labels. */
  static open(deps: SealDeps): Seal {
    const seal = new Seal(deps);
    try {
      seal.#connection = seal.#make();
    } catch (error) {
      seal.#log.info({ reason: messageOf(error) }, 'the packet filter has no second table that others cannot flush');
    }
    return seal;
  }

  /** False: nothing would look at a stamp. */
  get active(): boolean {
    return this.#connection !== undefined;
  }

  /** `keeper` duplicates the descriptor for somebody who lives longer than we; called again with another one when that is made. */
  keptBy(keeper: (socketFd: number) => void): void {
    this.#keeper = keeper;
    if (this.#connection !== undefined) keeper(this.#connection.socket.fd);
  }

  /** From now on these bridges (names as nft writes them), whose rules are there already. */
  cover(bridges: readonly string[]): void {
    if (this.#connection === undefined) return;
    const wanted = new Set(bridges);
    const script = [
      ...elements(
        'delete',
        this.#name,
        [...this.#bridges].filter((one) => !wanted.has(one)),
      ),
      ...elements(
        'add',
        this.#name,
        [...wanted].filter((one) => !this.#bridges.has(one)),
      ),
    ].join('');
    this.#bridges = wanted;
    if (script === '') return;
    try {
      this.#connection.nft.run(script);
    } catch (error) {
      // The library has opened its socket anew, and the table belongs to the one before.
      this.#log.debug({ reason: messageOf(error) }, 'the sealing table of the packet filter is made anew');
      this.#renew();
    }
  }

  /** Whether it is there. */
  verify(): readonly Drift[] {
    if (this.#connection === undefined || this.#tables().some(({ name }) => name === this.#name)) return [];
    return [{ kind: 'rules', problem: 'missing', object: `table inet ${this.#name}` }];
  }

  /** Makes it good when it is not there. */
  restore(): void {
    if (this.verify().length > 0) this.#renew();
  }

  [Symbol.dispose](): void {
    this.#close(this.#connection);
    this.#connection = undefined;
  }

  #renew(): void {
    const before = this.#connection;
    try {
      this.#connection = this.#make([...this.#bridges]);
      this.#keeper(this.#connection.socket.fd);
      this.#close(before);
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, 'cannot make the sealing table of the packet filter anew');
    }
  }

  /** With these bridges, or those of the tables there are. Again when one of them goes meanwhile. */
  #make(bridges?: readonly string[]): SealConnection {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return this.#deps.open((nft) => {
          const tables = tablesOf(nft);
          const covered = bridges ?? tables.flatMap(({ name }) => bridgesOf(nft, name));
          const name = unused(tables);
          nft.run(`${sealText(name)}${elements('add', name, covered).join('')}`);
          this.#name = name;
          this.#bridges = new Set(covered);
        });
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  #tables(): readonly SealTable[] {
    return this.#connection === undefined ? [] : tablesOf(this.#connection.nft);
  }

  #close(connection: SealConnection | undefined): void {
    connection?.nft.close();
    connection?.socket.close();
  }
}

interface SealTable {
  readonly name: string;
  readonly number: number;
}

function tablesOf(nft: NftScripts): readonly SealTable[] {
  return String(nft.run('list tables'))
    .split('\n')
    .flatMap((line) => {
      const [, name, number] = NAME.exec(line) ?? [];
      return name === undefined ? [] : [{ name, number: Number(number) }];
    });
}

function unused(tables: readonly SealTable[]): string {
  let number = 1;
  while (tables.some((table) => table.number === number)) number += 1;
  return `fairway_seal${number}`;
}

/** Names of links hold neither quotes nor commas. */
function bridgesOf(nft: NftScripts, name: string): readonly string[] {
  const listing = nft.list(`set inet ${name} bridges`);
  const inside = /elements = \{([^}]*)\}/.exec(listing)?.[1] ?? '';
  return inside.match(/"[^"]*"/g) ?? [];
}

function elements(verb: 'add' | 'delete', name: string, bridges: readonly string[]): string[] {
  return bridges.length === 0 ? [] : [`${verb} element inet ${name} bridges { ${bridges.join(', ')} }\n`];
}

/** Before the chains of others, who may translate; what the host itself sends has no link it came by. */
function sealText(name: string): string {
  return `table inet ${name} {
  flags owner;
  set bridges { type ifname; }
  chain prerouting {
    type nat hook prerouting priority dstnat - 10; policy accept;
    ip daddr 127.0.0.0/8 iifname @bridges drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat - 10; policy accept;
    ct label ${STAMP} accept
    meta iif 0 accept
    iifname @bridges drop
    oifname @bridges drop
  }
}
`;
}
