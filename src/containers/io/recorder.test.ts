import assert from 'node:assert/strict';
import { appendFileSync, closeSync, constants, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '../../base/index.ts';
import { Readiness } from '../../kernel/index.ts';
import { type LogSettings, LogWriter, parseLogOptions, readLog } from '../logs/index.ts';
import { holdPath, makeHolds, makePipes, type OutputName, type OutputPaths, outputPaths } from '../streams/index.ts';
import { FakeClock, until } from '../testing/index.ts';
import { Recorder, type RecorderDeps } from './recorder.ts';

/** A container's end of the pipes, and somebody who keeps them open whatever becomes of the readers. */
class Run implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'fwt-'));
  readonly settings: LogSettings;
  readonly paths: OutputPaths;
  readonly #kept: number[] = [];
  readonly #writers = new Map<OutputName, number>();
  readonly #readiness = new Readiness();

  constructor(options: Record<string, string> = {}) {
    this.settings = parseLogOptions({ driver: 'json-file', options });
    const pipes = makePipes(this.folder, 'init', { stdin: false, stdout: true, stderr: true });
    this.paths = outputPaths(pipes, join(this.folder, 'journal'));
    makeHolds(this.paths);
    for (const path of Object.values(this.paths.outputs)) {
      for (const one of [path, holdPath(path)])
        this.#kept.push(openSync(one, constants.O_RDONLY | constants.O_NONBLOCK));
    }
  }

  get logPath(): string {
    return join(this.folder, 'x-json.log');
  }

  write(text: string, stream: OutputName = 'stdout'): void {
    let fd = this.#writers.get(stream);
    if (fd === undefined) {
      fd = openSync(this.paths.outputs[stream] ?? '', constants.O_WRONLY | constants.O_NONBLOCK);
      this.#writers.set(stream, fd);
    }
    assert.equal(writeSync(fd, text), Buffer.byteLength(text));
  }

  /** The process ends. */
  exit(): void {
    for (const stream of ['stdout', 'stderr'] as const) this.write('', stream);
    for (const fd of this.#writers.values()) closeSync(fd);
    this.#writers.clear();
  }

  writer(): LogWriter {
    return new LogWriter({ clock: new FakeClock(), log: silentLog }, this.logPath, this.settings);
  }

  record(
    options: { readonly resumed?: boolean; readonly writer?: RecorderDeps['writer']; readonly seen?: string[] } = {},
  ): Recorder {
    return new Recorder(
      { readiness: this.#readiness, writer: options.writer ?? this.writer(), log: silentLog },
      {
        paths: this.paths,
        resumed: options.resumed ?? false,
        onOutput: (stream, chunk) => options.seen?.push(`${stream} ${chunk.toString()}`),
      },
    );
  }

  async logged(): Promise<string[]> {
    const lines: string[] = [];
    for await (const { stream, data } of readLog({ path: this.logPath, maxFiles: 20 }, { follow: false })) {
      lines.push(`${stream === 'stdout' ? '' : 'err:'}${data.toString()}`);
    }
    return lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Recorders that were killed watch on.
    this.#readiness[Symbol.dispose]();
    for (const fd of [...this.#writers.values(), ...this.#kept]) closeSync(fd);
    rmSync(this.folder, { recursive: true });
  }
}

/** A writer whose process is killed at some moment of its first write; nothing is heard of it any more. */
function killed(real: LogWriter, moment: 'announced' | 'half written' | 'written', path: string) {
  const reached = Promise.withResolvers<void>();
  const never = new Promise<never>(() => {});
  const writer: RecorderDeps['writer'] = {
    path: real.path,
    takeBack: (intent) => real.takeBack(intent),
    close: () => real.close(),
    write: async (stream, data, options = {}) => {
      if (moment === 'written') await real.write(stream, data, options);
      else {
        const { ino: inode, size } = statSync(path);
        options.intend?.({ inode, size, done: options.done ?? 0, rest: undefined });
        if (moment === 'half written') appendFileSync(path, '{"log":"hal');
      }
      reached.resolve();
      return never;
    },
  };
  return { writer, reached: reached.promise };
}

describe('recording the outputs of a run', () => {
  it('brings both streams into the log and to who listens, and ends with the process', async () => {
    await using run = new Run();
    const seen: string[] = [];
    const recorder = run.record({ seen });
    run.write('one\n');
    await until('it is shown', () => seen.length === 1);
    run.write('oops\n', 'stderr');
    await until('it is shown', () => seen.length === 2);
    run.write('with');
    await until('it is shown', () => seen.length === 3);
    run.write('out newline');
    run.exit();
    await recorder.ended;
    await recorder.close();
    await recorder.close();
    assert.deepEqual(seen, ['stdout one\n', 'stderr oops\n', 'stdout with', 'stdout out newline']);
    assert.deepEqual(await run.logged(), ['one\n', 'err:oops\n', 'without newline']);
  });

  it('writes down what is there when the run is over for us, whoever keeps the pipe open', async () => {
    await using run = new Run();
    const recorder = run.record();
    run.write('first\nrest');
    await recorder.close();
    assert.deepEqual(await run.logged(), ['first\n', 'rest']);
  });

  it('is taken over in the middle of a line', async () => {
    await using run = new Run();
    const seen: string[] = [];
    const first = run.record({ seen });
    run.write('begun');
    await until('it is shown', () => seen.length === 1);
    await first.release();
    run.write(' and ended\n');
    const second = run.record({ resumed: true, seen });
    await until('it is shown', () => seen.length === 2);
    run.exit();
    await second.ended;
    await second.close();
    assert.deepEqual(seen, ['stdout begun', 'stdout  and ended\n']);
    assert.deepEqual(await run.logged(), ['begun and ended\n']);
  });

  it('finds what a process wrote that ended while nobody read', async () => {
    await using run = new Run();
    const first = run.record();
    await first.release();
    run.write('last words\n');
    run.write('no newline', 'stderr');
    run.exit();
    const second = run.record({ resumed: true });
    await second.ended;
    await second.close();
    assert.deepEqual((await run.logged()).sort(), ['err:no newline', 'last words\n']);
  });

  for (const moment of ['announced', 'half written', 'written'] as const) {
    it(`has every line once when its process is killed with an entry ${moment}`, async () => {
      await using run = new Run();
      const seen: string[] = [];
      const first = run.record({ seen });
      run.write('before\nbeg');
      await until('it is shown', () => seen.length === 1);
      await first.release();
      const { writer, reached } = killed(run.writer(), moment, run.logPath);
      run.record({ resumed: true, writer });
      run.write('in\nmiddle\nen');
      await reached;
      run.write('d\n');
      run.write('aside\n', 'stderr');
      run.exit();
      const third = run.record({ resumed: true });
      await third.ended;
      await third.close();
      assert.deepEqual((await run.logged()).sort(), ['before\n', 'begin\n', 'end\n', 'err:aside\n', 'middle\n']);
    });
  }

  it('has every line once when its process is killed between two files of a log', async () => {
    await using run = new Run({ 'max-size': '200', 'max-file': '20' });
    const real = run.writer();
    const reached = Promise.withResolvers<void>();
    let count = 0;
    run.record({
      writer: {
        path: real.path,
        takeBack: (intent) => real.takeBack(intent),
        close: () => real.close(),
        write: (stream, data, options) =>
          real.write(stream, data, {
            ...options,
            intend: (intent) => {
              options?.intend?.(intent);
              count += 1;
              if (count < 3) return;
              reached.resolve();
              throw new Error('killed');
            },
          }),
      },
    });
    const lines = Array.from({ length: 12 }, (_, index) => `line ${index}\n`);
    run.write(lines.join(''));
    await reached.promise;
    run.exit();
    const second = run.record({ resumed: true });
    await second.ended;
    await second.close();
    assert.deepEqual(await run.logged(), lines);
  });

  it('carries much, and in order', async () => {
    await using run = new Run();
    const recorder = run.record();
    const lines = Array.from({ length: 60_000 }, (_, index) => `${index} ${'x'.repeat(index % 100)}\n`);
    let at = 0;
    const text = lines.join('');
    while (at < text.length) {
      try {
        run.write(text.slice(at, at + 4000));
        at += 4000;
      } catch {
        // Full for now.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    run.exit();
    await recorder.ended;
    await recorder.close();
    assert.deepEqual(await run.logged(), lines);
  });

  it('reads on when nothing can be logged any more, so that the container never waits', async () => {
    await using run = new Run();
    const real = run.writer();
    const writer: RecorderDeps['writer'] = {
      path: real.path,
      takeBack: (entry) => real.takeBack(entry),
      close: () => real.close(),
      write: async () => {
        throw new Error('no space left on device');
      },
    };
    const seen: string[] = [];
    const recorder = run.record({ writer, seen });
    run.write('one\n');
    await until('the first line is shown', () => seen.length === 1);
    const much = 'x'.repeat(200 << 10);
    for (let count = 0; count < 20; count += 1) {
      run.write(much);
      await until('all is shown', () => seen.join('').length > (count + 1) * much.length);
    }
    run.exit();
    await recorder.ended;
    await recorder.close();
  });
});
