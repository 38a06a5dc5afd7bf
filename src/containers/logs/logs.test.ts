import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '../../base/index.ts';
import type { LogLine } from '../contract.ts';
import { FakeClock } from '../testing/index.ts';
import { logAttributes } from './attributes.ts';
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
    this.settings = {
      driver: 'json-file',
      maxSize: Number.POSITIVE_INFINITY,
      maxFiles: 1,
      compress: false,
      ...settings,
    };
    this.writer = new LogWriter({ clock: this.clock, log: silentLog }, this.path, this.settings);
  }

  get source(): Parameters<typeof readLog>[0] {
    return { path: this.path, maxFiles: this.settings.maxFiles, writer: this.writer };
  }

  /** Says how many bytes are in the log now. */
  write(text: string | Buffer, stream: 'stdout' | 'stderr' = 'stdout', final = false): Promise<number> {
    return this.writer.write(stream, Buffer.from(text), { final });
  }

  async read(query: Partial<Parameters<typeof readLog>[1]> = {}): Promise<string[]> {
    return texts(readLog(this.source, { follow: false, ...query }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.writer.close();
    rmSync(this.folder, { recursive: true });
  }
}

async function texts(lines: AsyncIterable<LogLine>): Promise<string[]> {
  const found: string[] = [];
  for await (const { data } of lines) found.push(data.toString());
  return found;
}

describe('a container log', () => {
  it('gives back the lines of each stream, and leaves those without newline to whoever has the rest', async () => {
    await using log = new TestLog();
    assert.equal(await log.write('one\ntw'), 4);
    assert.equal(await log.write('err\n', 'stderr'), 4);
    assert.equal(await log.write('two\nrest'), 4);
    assert.deepEqual(await log.read(), ['one\n', 'err\n', 'two\n']);
    assert.deepEqual(await log.read({ stderr: false }), ['one\n', 'two\n']);
    assert.equal(await log.write('rest', 'stdout', true), 4);
    log.writer.close();
    assert.deepEqual(await log.read(), ['one\n', 'err\n', 'two\n', 'rest']);
  });

  it('holds whatever a program writes, as JSON that everybody reads', async () => {
    await using log = new TestLog();
    const lines = [
      'plain',
      '"quoted" \\ and <a href="x">&amp;</a>',
      'tab\tbell\u0007escape\u001b[31mred\u007f',
      'größe € 😀 \u2028',
      '',
      'carriage\r',
    ];
    await log.write(lines.map((line) => `${line}\n`).join(''));
    assert.deepEqual(
      await log.read(),
      lines.map((line) => `${line}\n`),
    );
    assert.match(readFileSync(log.path, 'utf8'), /^\{"log":"plain\\n","stream":"stdout","time":"[^"]+Z"\}\n/);
  });

  it('replaces bytes that are no UTF-8, one by one', async () => {
    await using log = new TestLog();
    const bad = ['ff', 'c3', 'c080', 'e28282'.slice(0, 4), 'eda080', 'f09f98', 'f5808080', '80'];
    for (const hex of bad)
      await log.write(Buffer.concat([Buffer.from('<'), Buffer.from(hex, 'hex'), Buffer.from('>\n')]));
    assert.deepEqual(
      await log.read(),
      bad.map((hex) => `<${'\ufffd'.repeat(hex.length / 2)}>\n`),
    );
  });

  it('takes back what an intent announced', async () => {
    await using log = new TestLog();
    await log.write('before\n');
    let announced: Parameters<LogWriter['takeBack']>[0] | undefined;
    await log.writer.write('stdout', Buffer.from('after\n'), {
      intend: (intent) => {
        announced = intent;
      },
    });
    assert.deepEqual(await log.read(), ['before\n', 'after\n']);
    assert.ok(announced);
    log.writer.takeBack({ ...announced, inode: announced.inode + 1 });
    assert.deepEqual(await log.read(), ['before\n', 'after\n']);
    log.writer.takeBack(announced);
    assert.deepEqual(await log.read(), ['before\n']);
    await log.write('again\n');
    assert.deepEqual(await log.read(), ['before\n', 'again\n']);
  });

  it('announces how much is done before each file it writes to', async () => {
    await using log = new TestLog({ maxSize: 200, maxFiles: 9 });
    const done: number[] = [];
    await log.writer.write('stdout', Buffer.from('0123456789\n'.repeat(6)), {
      intend: (intent) => done.push(intent.done),
    });
    assert.deepEqual(done, [0, 33]);
    assert.equal(await log.writer.write('stdout', Buffer.from('twice\nonce\n'), { done: 6 }), 11);
    assert.deepEqual((await log.read()).slice(-2), ['0123456789\n', 'once\n']);
  });

  it('cuts lines that are longer than 16 KiB', async () => {
    await using log = new TestLog();
    await log.write(`${'a'.repeat(40_000)}\n`);
    assert.deepEqual(
      (await log.read()).map(({ length }) => length),
      [16_384, 16_384, 7_233],
    );
  });

  it('cuts long lines between characters', async () => {
    await using log = new TestLog();
    const text = `x${'€'.repeat(10_000)}\n`;
    await log.write(text);
    const parts = await log.read();
    assert.equal(parts.join(''), text);
    assert.deepEqual(
      parts.map((part) => Buffer.byteLength(part)),
      [16_384, 13_618],
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

  it('zips what has been rotated, and reads over that too', async () => {
    await using log = new TestLog({ maxSize: 1_000, maxFiles: 4, compress: true });
    for (let index = 0; index < 60; index += 1) await log.write(`line ${index}\n`);
    const zipped = (): string[] => readdirSync(log.folder).filter((name) => name.endsWith('.gz'));
    while (zipped().length < 3) await new Promise((resolve) => setImmediate(resolve));
    const lines = await log.read();
    const first = Number(/\d+/.exec(lines[0] ?? '')?.[0]);
    assert.ok(first > 0 && first < 40, `begins with ${first}`);
    assert.deepEqual(
      lines,
      Array.from({ length: 60 - first }, (_, index) => `line ${first + index}\n`),
    );
    assert.deepEqual(await log.read({ tail: 25 }), lines.slice(-25));
    assert.equal(existsSync(`${log.path}.4`) || existsSync(`${log.path}.4.gz`), false);
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
    log.writer.close();
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
    appendFileSync(log.path, '{"log":"ba\n');
    assert.deepEqual(await log.read(), ['good\n']);
  });
});

describe('log options', () => {
  const parse = (driver: string, options: Record<string, string> = {}): LogSettings =>
    parseLogOptions({ driver, options });

  it('know sizes and numbers of files', () => {
    assert.deepEqual(parse('json-file', { 'max-size': '10m', 'max-file': '3', compress: 'true' }), {
      driver: 'json-file',
      maxSize: 10_000_000,
      maxFiles: 3,
      compress: true,
    });
    assert.deepEqual(parse('local'), { driver: 'local', maxSize: 20 << 20, maxFiles: 5, compress: true });
    assert.equal(parse('').driver, 'json-file');
    assert.equal(parse('none', { whatever: 'x' }).driver, 'none');
  });

  it('are refused when nobody knows them', () => {
    const refused: readonly (readonly [string, Record<string, string>, string])[] = [
      ['syslogg', {}, "logger: no log driver named 'syslogg' is registered"],
      ['json-file', { nope: '1' }, "unknown log opt 'nope' for json-file log driver"],
      ['local', { nope: '1' }, "unknown log opt 'nope' for log driver local"],
      ['json-file', { 'max-file': '0' }, 'max-file cannot be less than 1'],
      ['json-file', { 'max-file': 'x' }, 'strconv.Atoi: parsing "x": invalid syntax'],
      ['json-file', { 'max-size': '0' }, 'max-size must be a positive number'],
      ['json-file', { 'max-size': 'big' }, "invalid size: 'big'"],
      ['json-file', { compress: 'maybe' }, 'strconv.ParseBool: parsing "maybe": invalid syntax'],
      [
        'json-file',
        { compress: 'true', 'max-size': '1m' },
        'compress cannot be true when max-file is less than 2 or max-size is not set',
      ],
      ['local', { 'max-file': '1' }, 'compression cannot be enabled when max file count is 1'],
      ['json-file', { mode: 'fast' }, 'logger: logging mode not supported: fast'],
      [
        'json-file',
        { 'max-buffer-size': '1m' },
        "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
      ],
    ];
    for (const [driver, options, message] of refused) assert.throws(() => parse(driver, options), { message });
  });

  it('choose what every entry says of its container', async () => {
    const container = {
      id: 'c'.repeat(64),
      name: 'web',
      imageId: `sha256:${'d'.repeat(64)}`,
      imageName: 'busybox',
      env: ['A=1', 'APP_X=a b', 'NONE'],
      labels: { tier: 'front', 'com.example.x': 'y' },
    };
    const choose = (options: Record<string, string>): string | undefined => logAttributes(options, container);
    assert.equal(choose({}), undefined);
    assert.equal(choose({ labels: 'missing' }), undefined);
    assert.equal(choose({ labels: 'tier,missing', env: 'A' }), '{"A":"1","tier":"front"}');
    assert.equal(choose({ 'labels-regex': '^com\\.', 'env-regex': '^APP' }), '{"APP_X":"a b","com.example.x":"y"}');
    assert.equal(choose({ tag: '{{.Name}}/{{.ID}}/{{ .ImageName }}' }), '{"tag":"web/cccccccccccc/busybox"}');
    assert.throws(() => choose({ tag: '{{.Nope}}' }), /cannot evaluate \.Nope/);
    assert.throws(() => choose({ env: 'A', 'env-regex': '(' }), /error parsing regexp/);
    await using log = new TestLog({ attributes: choose({ env: 'A' }) });
    await log.write('hello\n');
    for await (const { attributes } of readLog(log.source, { follow: false })) assert.deepEqual(attributes, { A: '1' });
  });
});

describe('times of a log', () => {
  it('are read with up to nine digits', () => {
    assert.equal(nanosOfTime('2024-01-02T03:04:05.123456789Z'), 1_704_164_645_123_456_789n);
    assert.equal(nanosOfTime('2024-01-02T03:04:05.5Z'), 1_704_164_645_500_000_000n);
    assert.equal(nanosOfTime('yesterday'), 0n);
  });
});
