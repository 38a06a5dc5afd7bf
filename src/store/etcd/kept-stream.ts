import { Backoff, type Clock } from '../../base/index.ts';
import type { Call, Link } from './link.ts';
import { type Stream, verdictOf } from './wire/index.ts';

export interface StreamUser<Res> {
  /** A stream is open, perhaps another one: everything is to be asked for again. */
  opened(): void;
  received(message: Res): void;
}

export interface KeptStreamDeps {
  readonly link: Link;
  readonly clock: Clock;
}

/** A member that says nothing for so long after it was asked is given up. */
const ANSWER_MS = 2_000;
/** And up to half as much more, so that many nodes do not come back at one moment. */
const REOPEN_LONGEST_MS = 2_000;

/** A stream of messages both ways that is opened again, at another member if need be, while it is wanted. */
export class KeptStream<Req extends object, Res extends object> {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #call: Pick<Call, 'service' | 'method'>;
  readonly #user: StreamUser<Res>;
  readonly #reopening: Backoff;
  readonly #stopMoves: () => void;
  #wanted = false;
  #opening = false;
  #open: { readonly stream: Stream; readonly place: number } | undefined;
  #silence: (() => void) | undefined;
  /** Attempts since something was heard. */
  #attempts = 0;

  constructor({ link, clock }: KeptStreamDeps, call: Pick<Call, 'service' | 'method'>, user: StreamUser<Res>) {
    this.#link = link;
    this.#clock = clock;
    this.#call = call;
    this.#user = user;
    this.#reopening = new Backoff(
      { clock, work: () => this.#reopen(), onError: () => this.#reopening.ask() },
      { longestMs: REOPEN_LONGEST_MS * (1 + Math.random() / 2) },
    );
    this.#stopMoves = link.onMoved((place) => {
      if (this.#open !== undefined && this.#open.place !== place) this.#end();
    });
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Opens it, if it is not open or about to be. */
  want(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#reopen();
  }

  /** Lost where there is no stream: `opened` comes again. `answered`: something must come back soon. */
  write(request: Req, { answered = false }: { readonly answered?: boolean } = {}): void {
    if (this.#open === undefined) return;
    this.#open.stream.write(request);
    if (answered) this.#silence ??= this.#clock.after(ANSWER_MS, () => this.#broke(new Error('it does not answer')));
  }

  /** Gives the present one up. */
  restart(error: Error): void {
    this.#broke(error);
  }

  close(): void {
    this.#wanted = false;
    this.#stopMoves();
    this.#reopening[Symbol.dispose]();
    this.#drop();
  }

  async #reopen(): Promise<boolean> {
    if (!this.#wanted || this.#opening || this.#open !== undefined) return false;
    this.#opening = true;
    try {
      const open = await this.#link.stream(this.#call.service, this.#call.method);
      if (!this.#wanted) {
        discard(open.stream);
        return false;
      }
      this.#listen(open);
    } catch (error) {
      this.#failed(error, this.#link.place);
    } finally {
      this.#opening = false;
    }
    return true;
  }

  #listen(open: { readonly stream: Stream; readonly place: number }): void {
    this.#open = open;
    const mine = (): boolean => this.#open === open;
    open.stream.on('data', (message: Res) => {
      if (!mine()) return;
      this.#attempts = 0;
      this.#silence?.();
      this.#silence = undefined;
      this.#link.answered();
      this.#user.received(message);
    });
    open.stream.on('error', (error: unknown) => {
      if (mine()) this.#broke(error);
    });
    open.stream.on('end', () => {
      if (mine()) this.#broke(new Error('it ended the stream'));
    });
    this.#user.opened();
  }

  #broke(error: unknown): void {
    const place = this.#open?.place ?? this.#link.place;
    this.#drop();
    this.#failed(error, place);
  }

  #failed(error: unknown, place: number): void {
    if (!this.#wanted) return;
    if (verdictOf(error) === 'tokenRefused') this.#link.forgetToken();
    this.#attempts += 1;
    if (this.#attempts > this.#link.memberCount) this.#link.lost(error);
    this.#link.suspect(place);
    this.#reopening.ask();
  }

  /** Ends it here; it is opened elsewhere. */
  #end(): void {
    this.#drop();
    this.#reopening.ask();
  }

  #drop(): void {
    this.#silence?.();
    this.#silence = undefined;
    if (this.#open !== undefined) discard(this.#open.stream);
    this.#open = undefined;
  }
}

/** A cancelled stream emits its end as an error event. */
function discard(stream: Stream): void {
  stream.on('error', () => {});
  stream.cancel();
}
