import type { Peer, PeerName } from './engines.ts';
import type { Report } from './report.ts';

export interface TurnsOptions {
  /** Of `performance.now()`; no further round begins after it. */
  readonly until: number;
  /** Aborted when somebody ends the run; nothing goes on then. */
  readonly signal: AbortSignal;
}

/** What the report shows of a long reason: its beginning and its end. */
const REASON_START = 60;
const REASON_END = 120;

/**
 * The engines that take turns in one part. One that fails is left out for the rest of the part, and the report says why; the others
 * go on.
 */
export class Turns {
  readonly report: Report;
  readonly #part: string;
  readonly #options: TurnsOptions;
  readonly #peers: Peer[];
  #calls = 0;

  constructor(part: string, peers: readonly Peer[], report: Report, options: TurnsOptions) {
    this.#part = part;
    this.#peers = [...peers];
    this.report = report;
    this.#options = options;
  }

  /** Those that have not failed. */
  get peers(): readonly Peer[] {
    return [...this.#peers];
  }

  has(name: PeerName): boolean {
    return this.#peers.some((peer) => peer.name === name);
  }

  /** One after the other, all that are left (or those of them that are asked for), each time beginning with another one. */
  async each(work: (peer: Peer) => Promise<void>, asked: (peer: Peer) => boolean = () => true): Promise<void> {
    const first = this.#calls++ % Math.max(this.#peers.length, 1);
    for (const peer of [...this.#peers.slice(first), ...this.#peers.slice(0, first)]) {
      this.goOn();
      if (!asked(peer)) continue;
      try {
        await work(peer);
      } catch (error) {
        this.goOn();
        this.#drop(peer, error);
      }
    }
  }

  /** Numbers of rounds, from 0; fewer when the time is over. */
  async *rounds(count: number): AsyncGenerator<number> {
    for (let round = 0; round < count; round += 1) {
      this.goOn();
      if (round > 0 && this.timeIsOver) {
        this.report.leftOut(this.#part, 'all', `${count - round} of ${count} rounds: the time was over`);
        return;
      }
      yield round;
    }
  }

  get timeIsOver(): boolean {
    return performance.now() > this.#options.until;
  }

  /** Throws when the run was interrupted. */
  goOn(): void {
    this.#options.signal.throwIfAborted();
  }

  #drop(peer: Peer, error: unknown): void {
    this.#peers.splice(
      this.#peers.findIndex(({ name }) => name === peer.name),
      1,
    );
    console.error(`${this.#part}: ${peer.name} failed:`, error);
    this.report.leftOut(this.#part, peer.name, reasonOf(error));
  }
}

export function reasonOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').trim();
  if (text.length <= REASON_START + REASON_END) return text;
  return `${text.slice(0, REASON_START)} … ${text.slice(-REASON_END)}`;
}
