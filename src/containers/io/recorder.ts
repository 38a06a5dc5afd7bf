import { setImmediate, setTimeout } from 'node:timers/promises';
import { type Log, messageOf } from '../../base/index.ts';
import type { Readiness, ReadinessWatch } from '../../kernel/index.ts';
import type { LogWriter } from '../logs/index.ts';
import { holdPath, type OutputName, type OutputPaths, OutputPipe, PIPE_BYTES } from '../streams/index.ts';
import { OutputJournal } from './journal.ts';

export interface RecorderDeps {
  readonly readiness: Readiness;
  readonly writer: Pick<LogWriter, 'path' | 'write' | 'takeBack' | 'close'>;
  readonly log: Log;
}

export interface RecorderOptions {
  /** Where the run's pipes and its journal are. */
  readonly paths: OutputPaths;
  /** An earlier process read these pipes: what it did not finish comes first, and without a writer they are at their end. */
  readonly resumed?: boolean;
  /** Called with everything new, once it is in the log; the buffer is not used again. */
  readonly onOutput?: (stream: OutputName, chunk: Buffer) => void;
}

/** Stands for what was taken out of the pipes before. */
const NOTHING_HELD = -1;

/** A piece of this size is followed by more. */
const MANY_BYTES = 16 << 10;
const GATHER_MS = 2;

interface Source {
  readonly pipe: OutputPipe;
  readonly watch: ReadinessWatch;
  /** Bytes in its holding pipe that an earlier process has shown already. */
  shown: number;
  ended: boolean;
}

/**
 * Writes the outputs of one run into its log, so that every byte gets there once, whenever we are killed: bytes stay in
 * pipes until their entries are in the file, and a journal tells the next reader whether they are. Works on one piece at a
 * time; while it does, the pipe takes what the container writes.
 */
export class Recorder {
  /** Resolves when the process has let go of its outputs and all of it is in the log. */
  readonly ended: Promise<void>;
  readonly #deps: RecorderDeps;
  readonly #options: RecorderOptions;
  readonly #journal: OutputJournal;
  readonly #sources = new Map<OutputName, Source>();
  readonly #waiting = new Set<OutputName>();
  readonly #atRest: (() => void)[] = [];
  readonly #end = Promise.withResolvers<void>();
  #working: Promise<void> | undefined;
  #stopped = false;
  #unlogged = false;

  constructor(deps: RecorderDeps, options: RecorderOptions) {
    this.#deps = deps;
    this.#options = options;
    this.ended = this.#end.promise;
    using undo = new DisposableStack();
    this.#journal = new OutputJournal(options.paths.journal);
    undo.defer(() => this.#journal.close());
    for (const [name, path] of Object.entries(options.paths.outputs) as [OutputName, string][]) {
      const pipe = undo.adopt(new OutputPipe(path, holdPath(path)), (one) => one.close());
      const watch = undo.adopt(
        deps.readiness.watch(pipe.fd, () => this.#look(name)),
        (one) => one.stop(),
      );
      this.#sources.set(name, { pipe, watch, shown: options.resumed ? pipe.held : 0, ended: false });
    }
    this.#recover();
    undo.move();
    if (!options.resumed) return;
    // What was announced and has not happened comes before anything else is announced.
    const first = this.#journal.pending?.stream;
    for (const name of [...(first ? [first] : []), ...this.#sources.keys()]) this.#look(name);
  }

  /** What must stay open somewhere for nothing to be lost with us. */
  get descriptors(): readonly number[] {
    return [...this.#sources.values()].flatMap(({ pipe }) => [pipe.fd, pipe.holdFd]);
  }

  /** Calls back when no piece is under way: what is in the log has been shown, and nothing else has. */
  whenAtRest(callback: () => void): void {
    if (this.#working !== undefined) this.#atRest.push(callback);
    else callback();
  }

  /** Lets go of everything as it is; the next reader goes on exactly here. Repeatable. */
  async release(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const { watch } of this.#sources.values()) watch.stop();
    await this.#working;
    this.#close();
  }

  /** The run is over: lines without a newline are written, too. Repeatable. */
  async close(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const { watch } of this.#sources.values()) watch.stop();
    await this.#working;
    try {
      for (const [name, source] of this.#sources) {
        if (source.ended) continue;
        // Somebody may hold the pipe open and write on; what was there when the run ended is enough.
        await this.#piece(name, source);
        await this.#piece(name, source);
        await this.#finish(name);
      }
    } catch (error) {
      this.#failed(error);
    }
    this.#close();
  }

  #close(): void {
    for (const { pipe } of this.#sources.values()) pipe.close();
    this.#sources.clear();
    this.#journal.close();
    this.#deps.writer.close();
    this.#end.resolve();
  }

  /** Takes back what a killed reader had begun to write; it is still held. */
  #recover(): void {
    const { pending } = this.#journal;
    if (!pending) return;
    if (pending.held === NOTHING_HELD) {
      this.#deps.writer.takeBack(pending);
      this.#journal.forget();
    } else if (this.#sources.get(pending.stream)?.pipe.held === pending.held) {
      this.#deps.writer.takeBack(pending);
    } else {
      this.#journal.confirm();
    }
  }

  #look(name: OutputName): void {
    if (this.#stopped) return;
    this.#waiting.add(name);
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    // Whoever called has to know of us before we can be done.
    await Promise.resolve();
    for (;;) {
      try {
        await this.#workOff();
        break;
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#working = undefined;
    this.#rest();
    if ([...this.#sources.values()].every(({ ended }) => ended)) this.#end.resolve();
  }

  async #workOff(): Promise<void> {
    for (const name of this.#waiting) {
      if (this.#stopped) break;
      this.#waiting.delete(name);
      const source = this.#sources.get(name);
      if (!source || source.ended) continue;
      const found = await this.#piece(name, source);
      if (found === 'end') {
        await this.#finish(name);
        source.ended = true;
        source.watch.stop();
      } else if (found === 'nothing') {
        source.watch.rearm();
      } else {
        this.#waiting.add(name);
      }
      this.#rest();
      if (typeof found === 'number') await pause(found);
    }
  }

  #rest(): void {
    for (const callback of this.#atRest.splice(0)) callback();
  }

  /** Without a journal nothing is logged any more; the outputs are read on, else the container would wait for us. */
  #failed(error: unknown): void {
    this.#deps.log.error({ path: this.#deps.writer.path, reason: messageOf(error) }, 'a container is no longer logged');
    if (this.#unlogged) {
      // Not even the pipes can be read.
      for (const source of this.#sources.values()) {
        source.ended = true;
        source.watch.stop();
      }
    }
    this.#unlogged = true;
    for (const name of this.#sources.keys()) this.#waiting.add(name);
  }

  /** Brings the next bytes into the log and shows them; says how many. */
  async #piece(name: OutputName, source: Source): Promise<number | 'nothing' | 'end'> {
    const { pipe } = source;
    if (this.#unlogged) return this.#passOn(name, pipe);
    const announced = this.#journal.pending;
    const again = announced?.stream === name && announced.held === pipe.held;
    // A pipe that fills again must not look like one that was never emptied.
    if (!again) this.#journal.confirm();
    if (pipe.held === 0) {
      const found = pipe.take();
      if (found !== 'some') return found;
    }
    const head = this.#journal.carry(name);
    const data = pipe.look(head);
    const { held } = pipe;
    const done = await this.#write(name, data, { done: again ? announced.done : 0, held });
    const carry = data.toString('base64', done);
    if (this.#journal.pending?.carry !== carry || this.#journal.pending.stream !== name) {
      this.#journal.intend({ inode: 0, size: 0, done, stream: name, held, carry });
    }
    const taken = data.length - head.length;
    pipe.release(taken);
    const known = Math.min(source.shown, taken);
    source.shown -= known;
    if (known < taken) this.#options.onOutput?.(name, data.subarray(head.length + known));
    return taken;
  }

  /** Shows the next bytes to whoever is attached, and drops them. */
  #passOn(name: OutputName, pipe: OutputPipe): number | 'nothing' | 'end' {
    if (pipe.held === 0) {
      const found = pipe.take();
      if (found !== 'some') return found;
    }
    const data = pipe.look(new Uint8Array());
    pipe.release(data.length);
    this.#options.onOutput?.(name, data);
    return data.length;
  }

  #write(
    name: OutputName,
    data: Buffer,
    { done, held, final = false }: { readonly done: number; readonly held: number; readonly final?: boolean },
  ): Promise<number> {
    return this.#deps.writer.write(name, data, {
      done,
      final,
      intend: ({ inode, size, done: before, rest }) => {
        // Only what is known to be left over in the end saves announcing it once more.
        const carry = rest === undefined ? '' : data.toString('base64', rest);
        this.#journal.intend({ inode, size, done: before, stream: name, held, carry });
      },
    });
  }

  /** The last line, which never got its newline. */
  async #finish(name: OutputName): Promise<void> {
    if (this.#unlogged) return;
    this.#journal.confirm();
    const rest = this.#journal.carry(name);
    if (rest.length === 0) return;
    await this.#write(name, rest, { done: 0, held: NOTHING_HELD, final: true });
    this.#journal.intend({ inode: 0, size: 0, done: rest.length, stream: name, held: NOTHING_HELD, carry: '' });
    this.#journal.confirm();
  }
}

/**
 * Before the next look. Whoever else waits comes first, and so does the rest of the process. A container that writes much
 * is left alone for a moment, within which its pipe cannot fill up: few large pieces cost less than many small ones.
 */
function pause(bytes: number): Promise<void> {
  return bytes >= MANY_BYTES && bytes < PIPE_BYTES / 2 ? setTimeout(GATHER_MS) : setImmediate();
}
