import { createSocket, type Socket } from 'node:dgram';
import type { ConnectedBatch } from '../../../kernel/index.ts';
import { HEADER_SIZE, repeatsQuestion } from '../wire/index.ts';
import { numericLookup } from './exchange.ts';
import { random16 } from './randomness.ts';

/** A question under way to one server. */
export interface AskedOverUdp {
  readonly packet: Buffer;
  readonly questionEnd: number;
  /** Where and under which id it is asked now. */
  at?: { readonly socket: UpstreamSocket; readonly id: number } | undefined;
  /** How often it was asked anew, from another socket. */
  moves: number;
  /** Called once, with a view that is valid only during the call. Undefined: this server is of no use. */
  done(response: Buffer | undefined): void;
}

export interface UpstreamSocketDeps {
  readonly batch: ConnectedBatch;
  readonly six: boolean;
  /** Asks anew from another socket. */
  move(asked: AskedOverUdp): void;
}

/** After this many batches others have their turn. */
const MAX_BATCHES = 4;
/** How often a question is asked anew; after that it stays, or has failed. */
const MAX_MOVES = 2;

/**
 * A socket connected to one server, from which several questions are asked, each under an id of its own. It counts as found
 * out as soon as it receives what nobody has asked for: then it is given up, and what it has asked is asked anew from
 * another port. So whoever guesses has one attempt for each port that he finds.
 */
export class UpstreamSocket {
  readonly #fd: number;
  readonly #deps: UpstreamSocketDeps;
  readonly #socket: Socket;
  /** By id. Those that are done stay: their answer may come late, or twice. */
  readonly #asked = new Map<number, AskedOverUdp | undefined>();
  #unsent: AskedOverUdp[] = [];
  #awaited = 0;
  #retired = false;
  #closed = false;

  /** `fd`, which is connected, belongs to the socket from now on. */
  constructor(fd: number, deps: UpstreamSocketDeps) {
    this.#fd = fd;
    this.#deps = deps;
    this.#socket = createSocket({ type: deps.six ? 'udp6' : 'udp4', lookup: numericLookup });
    this.#socket.on('error', () => this.#refused());
    this.#socket.on('message', (packet) => {
      this.#take(packet);
      if (this.#awaited > 0) this.#drain();
    });
    this.#socket.bind({ fd });
    // What is awaited has its time limits, which keep the process alive.
    this.#socket.unref();
  }

  /** How many questions it has asked in all. */
  get uses(): number {
    return this.#asked.size;
  }

  /** To be asked nothing more. */
  get retired(): boolean {
    return this.#retired;
  }

  ask(asked: AskedOverUdp): void {
    let id = random16();
    while (this.#asked.has(id)) id = random16();
    this.#asked.set(id, asked);
    asked.at = { socket: this, id };
    this.#awaited += 1;
    if (this.#unsent.length === 0) process.nextTick(() => this.#send());
    this.#unsent.push(asked);
  }

  /** It is not awaited any more. */
  forget(asked: AskedOverUdp): void {
    if (asked.at?.socket !== this) return;
    this.#asked.set(asked.at.id, undefined);
    asked.at = undefined;
    this.#awaited -= 1;
    this.#closeIfDone();
  }

  /** Closes when nothing is awaited any more. Repeatable. */
  retire(): void {
    this.#retired = true;
    this.#closeIfDone();
  }

  /** What was asked in one breath goes out with one system call. */
  #send(): void {
    const asked = this.#unsent.filter(({ at }) => at?.socket === this);
    this.#unsent = [];
    if (this.#closed || asked.length === 0) return;
    const datagrams = asked.map(({ packet, at }) => ({ data: packet, number: at?.id ?? 0 }));
    const { sent, error } = this.#deps.batch.send(this.#fd, datagrams);
    if (error === undefined) return;
    this.#unsent = asked.slice(sent);
    if (error === 'EAGAIN' || error === 'ENOBUFS') setImmediate(() => this.#send());
    else this.#refused();
  }

  #drain(): void {
    for (let round = 0; round < MAX_BATCHES && !this.#closed; round += 1) {
      const count = this.#deps.batch.receive(this.#fd);
      if (typeof count === 'string') {
        this.#refused();
        return;
      }
      for (let index = 0; index < count && !this.#closed; index += 1) this.#take(this.#deps.batch.data(index));
      if (count < this.#deps.batch.slots) return;
    }
  }

  #take(packet: Buffer): void {
    const id = packet.length < HEADER_SIZE ? -1 : packet.readUInt16BE(0);
    const asked = this.#asked.get(id);
    if (asked === undefined) {
      if (!this.#asked.has(id)) this.#foundOut();
      return;
    }
    const repeats = repeatsQuestion(packet, asked.packet, asked.questionEnd);
    if (repeats === false) this.#foundOut();
    else this.#settle(asked, repeats === 'empty' ? undefined : packet);
  }

  #settle(asked: AskedOverUdp, response: Buffer | undefined): void {
    this.forget(asked);
    asked.done(response);
  }

  /** Asks elsewhere what may be asked elsewhere; the rest stays. */
  #foundOut(): void {
    this.#giveUp((asked) => asked.moves < MAX_MOVES && this.#move(asked));
  }

  /**
   * The server's port was closed, or no way leads there, when one of the questions was asked. The kernel does not say which:
   * one alone has failed; the others are asked anew, for the server may be there again.
   */
  #refused(): void {
    const unsent = new Set(this.#unsent);
    this.#unsent = [];
    const alone = this.#awaited - unsent.size === 1;
    this.#giveUp((asked) => {
      if (asked.moves < MAX_MOVES && (!alone || unsent.has(asked))) this.#move(asked);
      else this.#settle(asked, undefined);
    });
  }

  /** It stays open meanwhile, so that nobody is given its port. */
  #giveUp(each: (asked: AskedOverUdp) => void): void {
    this.#retired = true;
    this.#awaited += 1;
    for (const asked of [...this.#asked.values()]) if (asked !== undefined) each(asked);
    this.#awaited -= 1;
    this.#closeIfDone();
  }

  #move(asked: AskedOverUdp): void {
    this.forget(asked);
    asked.moves += 1;
    this.#deps.move(asked);
  }

  #closeIfDone(): void {
    if (!this.#retired || this.#awaited > 0 || this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}
