import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '../../base/index.ts';
import type { LogLine } from '../contract.ts';
import { FakeClock } from '../testing/index.ts';
import { nanosOfTime } from './entry.ts';
import { type LogSettings, parseLogOptions } from './options.ts';
import { readLog } from './reader.ts';
import { LogWriter } from './writer.ts';

class TestLog implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'fwt-'));
  readonly path = join(this.folder, 'x-json.log');
  readonly clock = new FakeClock();
  readonly settings: LogSettings;
  readonly writer: LogWriter;

  constructor(settings: Partial<LogSettings> = {}) {
    this.settings = { driver: 'json-file', maxSize: Number.POSITIVE_INFINITY, maxFiles: 1, ...settings };
    this.writer = new LogWriter({ clock: this.clock, log: silentLog }, this.path, this.settings);
  }

  get source(): Parameters<typeof readLog>[0] {
    return { path: this.path, maxFiles: this.settings.maxFiles, writer: this.writer };
  }

  async write(text: string, stream: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    this.writer.accept(stream, Buffer.from(text));
    await this.writer.flush();
  }

  async read(query: Partial<Parameters<typeof readLog>[1]> = {}): Promise<string[]> {
    return texts(readLog(this.source, { follow: false, ...query }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer.close();
    rmSync(this.folder, { recursive: true });
  }
}

async function texts(lines: AsyncIterable<LogLine>): Promise<string[]> {
  const found: string[] = [];
  for await (const { data } of lines) found.push(data.toString());
  return found;
}

describe('a container log', () => {
  it('gives back the lines of each stream, with those that have no newline yet at the end', async () => {
    await using log = new TestLog();
    await log.write('one\ntw');
    await log.write('err\n', 'stderr');
    await log.write('o\nrest');
    assert.deepEqual(await log.read(), ['one\n', 'err\n', 'two\n']);
    assert.deepEqual(await log.read({ stderr: false }), ['one\n', 'two\n']);
    await log.writer.close();
    assert.deepEqual(await log.read(), ['one\n', 'err\n', 'two\n', 'rest']);
  });

  it('cuts lines that are longer than 16 KiB', async () => {
    await using log = new TestLog();
    await log.write(`${'a'.repeat(40_000)}\n`);
    assert.deepEqual(
      (await log.read()).map(({ length }) => length),
      [16_384, 16_384, 7_233],
    );
  });

  it('finds the last lines from the end', async () => {
    await using log = new TestLog();
    await log.write(Array.from({ length: 5_000 }, (_, index) => `line ${index}\n`).join(''));
    assert.deepEqual(await log.read({ tail: 2 }), ['line 4998\n', 'line 4999\n']);
    assert.deepEqual(await log.read({ tail: 0 }), []);
    assert.equal((await log.read({ tail: 4_000 })).length, 4_000);
    assert.equal((await log.read({ tail: 9_000 })).length, 5_000);
  });

  it('shows what was written between two moments', async () => {
    await using log = new TestLog();
    const since = [];
    for (const text of ['a\n', 'b\n', 'c\n']) {
      log.clock.advance(1_000);
      since.push(BigInt(log.clock.now()) * 1_000_000n);
      await log.write(text);
    }
    assert.deepEqual(await log.read({ since: since[1] as bigint }), ['b\n', 'c\n']);
    assert.deepEqual(await log.read({ until: since[1] as bigint }), ['a\n']);
  });

  it('keeps the newest files within its limits and reads over all of them', async () => {
    await using log = new TestLog({ maxSize: 1_000, maxFiles: 3 });
    for (let index = 0; index < 100; index += 1) await log.write(`line ${index}\n`);
    assert.equal(existsSync(`${log.path}.2`), true);
    assert.equal(existsSync(`${log.path}.3`), false);
    const lines = await log.read();
    assert.equal(lines.at(-1), 'line 99\n');
    const first = Number(/\d+/.exec(lines[0] ?? '')?.[0]);
    assert.deepEqual(
      lines,
      Array.from({ length: 100 - first }, (_, index) => `line ${first + index}\n`),
    );
    assert.deepEqual(await log.read({ tail: 15 }), lines.slice(-15));
  });

  it('is followed through rotations until it is closed', async () => {
    await using log = new TestLog({ maxSize: 500, maxFiles: 2 });
    await log.write('before\n');
    const lines = readLog(log.source, { follow: true });
    assert.equal((await lines.next()).value?.data.toString(), 'before\n');
    const found: string[] = [];
    for (let index = 0; index < 50; index += 1) {
      const next = lines.next();
      await log.write(`line ${index}\n`);
      found.push((await next).value?.data.toString() ?? '');
    }
    const end = lines.next();
    await log.writer.close();
    assert.equal((await end).done, true);
    assert.deepEqual(
      found,
      Array.from({ length: 50 }, (_, index) => `line ${index}\n`),
    );
  });

  it('is no longer followed when the reader goes away', async () => {
    await using log = new TestLog();
    const stop = new AbortController();
    const lines = readLog(log.source, { follow: true }, { signal: stop.signal });
    const next = lines.next();
    stop.abort();
    assert.equal((await next).done, true);
  });

  it('survives a line that a crash has cut', async () => {
    await using log = new TestLog();
    await log.write('good\n');
    const { appendFileSync } = await import('node:fs');
    appendFileSync(log.path, '{"log":"ba\n');
    assert.deepEqual(await log.read(), ['good\n']);
  });
});

describe('log options', () => {
  const parse = (driver: string, options: Record<string, string> = {}): LogSettings =>
    parseLogOptions({ driver, options });

  it('know sizes and numbers of files', () => {
    assert.deepEqual(parse('json-file', { 'max-size': '10m', 'max-file': '3' }), {
      driver: 'json-file',
      maxSize: 10 << 20,
      maxFiles: 3,
    });
    assert.deepEqual(parse('local'), { driver: 'local', maxSize: 20 << 20, maxFiles: 5 });
    assert.equal(parse('').driver, 'json-file');
  });

  it('are refused when nobody knows them', () => {
    assert.throws(() => parse('syslogg'), { message: "logger: no log driver named 'syslogg' is registered" });
    assert.throws(() => parse('json-file', { nope: '1' }), {
      message: "unknown log opt 'nope' for json-file log driver",
    });
    assert.throws(() => parse('json-file', { 'max-file': '0' }), { message: 'max-file cannot be less than 1' });
  });
});

describe('times of a log', () => {
  it('are read with up to nine digits', () => {
    assert.equal(nanosOfTime('2024-01-02T03:04:05.123456789Z'), 1_704_164_645_123_456_789n);
    assert.equal(nanosOfTime('2024-01-02T03:04:05.5Z'), 1_704_164_645_500_000_000n);
    assert.equal(nanosOfTime('yesterday'), 0n);
  });
});
