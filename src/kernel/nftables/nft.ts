import { FairwayError, internal } from '../../base/index.ts';
import { closeOnExec, duplicateFd, NftContext, type OwnedFd } from '../ffi/index.ts';
import { type NetnsHandle, runInNetns, runInNewNetns } from '../netns/index.ts';
import { ownNetfilterSockets } from './own-sockets.ts';

/** NFT_CTX_OUTPUT_* */
const OUTPUT_STATELESS = 1 << 2;
const OUTPUT_HANDLE = 1 << 3;
const OUTPUT_JSON = 1 << 4;
const OUTPUT_NUMERIC_ALL = 0b1111 << 7;

const SHOWN_REASONS = 3;

/** A transaction was refused; nothing of it was done. `text` is all that the library said, script excerpts included. */
export class NftError extends FairwayError {
  readonly text: string;
  /** True when every complaint is that something named does not exist, as when deleting what is already gone. */
  readonly missing: boolean;
  /** True when every complaint is that something to be created exists. */
  readonly exists: boolean;

  constructor(text: string) {
    const reasons = reasonsOf(text);
    super(`cannot change nftables: ${summary(reasons)}`, {
      code: 'nftables_failed',
      kind: 'internal',
    });
    this.name = 'NftError';
    this.text = text;
    this.missing = reasons.length > 0 && reasons.every((reason) => /No such file|does not exist/i.test(reason));
    this.exists = reasons.length > 0 && reasons.every((reason) => /File exists/i.test(reason));
  }
}

/** A script of ten thousand commands can fail ten thousand times for one reason. */
function summary(reasons: readonly string[]): string {
  const different = [...new Set(reasons)];
  const shown = different.slice(0, SHOWN_REASONS).join('; ');
  if (different.length > SHOWN_REASONS) return `${shown}; and ${different.length - SHOWN_REASONS} more reasons`;
  return shown || 'no reason given';
}

/** The lines that say why, without source excerpts: `/dev/stdin:1:1-9: Error: Could not …` → `Could not …`. */
function reasonsOf(text: string): string[] {
  const reasons = text.split('\n').flatMap((line) => /Error: (.*)$/.exec(line)?.[1] ?? []);
  if (reasons.length > 0) return reasons;
  const plain = text.trim();
  return plain === '' ? [] : [plain];
}

/** A connection to the packet filter of one network namespace. */
export class Nft implements Disposable {
  readonly #context: NftContext;

  private constructor(context: NftContext) {
    this.#context = context;
  }

  /** Opens the packet filter of `ns`, or of the namespace the thread is in. */
  static open(ns?: NetnsHandle): Nft {
    return new Nft(ns === undefined ? new NftContext() : runInNetns(ns, () => new NftContext()));
  }

  /**
   * A connection that owns the tables that `work` makes with `flags owner` (Linux 5.12): nobody else can change, flush or
   * delete them, and they are there until the last descriptor of its socket is closed, wherever that is.
   */
  static openOwner(work: (nft: Nft) => void, ns?: NetnsHandle): NftOwner {
    const open = (): NftOwner => {
      const known = new Set(ownNetfilterSockets().map(({ fd }) => fd));
      const nft = Nft.open();
      try {
        work(nft);
        // Only now: the library may have opened it anew.
        const own = ownNetfilterSockets().find(({ fd }) => !known.has(fd));
        if (own === undefined) throw internal('no_nft_socket', 'cannot find the socket of libnftables');
        closeOnExec(own.fd);
        return { nft, socket: duplicateFd(own.fd) };
      } catch (error) {
        nft.close();
        throw error;
      }
    };
    return ns === undefined ? open() : runInNetns(ns, open);
  }

  /**
   * Runs a script as one transaction: all of it or nothing. Returns what it printed. Rules that match by interface use
   * `iifname`/`oifname`: `iif` would be looked up in the namespace of the thread, not in that of this connection.
   */
  run(commands: string): string {
    return this.#run(commands, OUTPUT_NUMERIC_ALL);
  }

  /** Prints `what` (`table inet x`) without what traffic changes: counters, timeouts. */
  list(what: string): string {
    return this.#run(`list ${what}`, OUTPUT_STATELESS | OUTPUT_NUMERIC_ALL);
  }

  /** Like {@link run}, but answers false when the only complaint is that something did not exist. */
  runIfPresent(commands: string): boolean {
    try {
      this.run(commands);
      return true;
    } catch (error) {
      if (error instanceof NftError && error.missing) return false;
      throw error;
    }
  }

  /** Runs a script and returns what it printed as nft's JSON (`{ nftables: [...] }`). */
  runJson(commands: string): unknown {
    const output = this.#run(commands, OUTPUT_JSON | OUTPUT_HANDLE | OUTPUT_NUMERIC_ALL);
    return output.trim() === '' ? { nftables: [] } : JSON.parse(output);
  }

  close(): void {
    this.#context.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #run(commands: string, flags: number): string {
    const result = this.#context.run(commands, flags);
    if (!result.ok) throw new NftError(result.error);
    return result.output;
  }
}

export interface NftOwner {
  readonly nft: Nft;
  /** A duplicate, for whoever shall keep the tables. */
  readonly socket: OwnedFd;
}

/** Lends a packet filter that nothing passes, in a namespace that ends with the work: to see how a script comes out. */
export function scratchNft<T>(work: (nft: Nft) => T): T {
  using nft = runInNewNetns(() => Nft.open());
  return work(nft);
}
