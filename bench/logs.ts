import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestHost } from '../test/support/index.ts';
import type { Api } from './api.ts';
import { median, type Row } from './stats.ts';

const ROUNDS = 3;
const LOG_MB = 200;
const FILE_BYTES = 20_000_000;
/** Lines of 1000 bytes, made once and shown ten times: what a container can write without computing anything. */
const SCRIPT = `yes $(head -c 999 /dev/zero | tr '\\0' x) | head -c ${FILE_BYTES} >/tmp/lines
for i in $(seq ${LOG_MB / (FILE_BYTES / 1_000_000)}); do cat /tmp/lines; done`;

/**
 * How fast a container may write into its log, and what else could read it: containerd's shim writing the bytes into a file
 * itself, and a logger process for each container (`binary://`), here the smallest there can be, `cat`.
 */
export async function logs(api: Api, host: TestHost): Promise<Row[]> {
  const bench = new Loggers(host);
  const rates: Record<'ours' | 'file' | 'binary', number[]> = { ours: [], file: [], binary: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    rates.ours.push(await jsonFile(api));
    rates.file.push(await bench.rate(`file://${bench.output}`));
    rates.binary.push(await bench.rate(`binary://${bench.logger}?${bench.output}`));
  }
  const memory = await bench.memory();
  bench.remove();
  const rate = (values: readonly number[]): string => `${median(values).toFixed(0)} MB/s`;
  return [
    {
      what: `log of ${LOG_MB} MB, json-file`,
      value: rate(rates.ours),
      baseline: `raw bytes into a file by the shim itself: ${rate(rates.file)}; by a binary:// logger (cat): ${rate(rates.binary)}`,
      target: '≥ 100 MB/s',
    },
    {
      what: 'memory of reading one more log',
      value: 'two pipes, no process',
      baseline: `a binary:// logger (cat): ${memory.toFixed(2)} MiB`,
    },
  ];
}

async function jsonFile(api: Api): Promise<number> {
  const id = await api.create('talker', 'none', ['sh', '-c', SCRIPT]);
  const ended = api.call('POST', `/containers/${id}/wait?condition=next-exit`);
  const start = performance.now();
  await api.call('POST', `/containers/${id}/start`);
  await ended;
  const seconds = (performance.now() - start) / 1000;
  await api.remove('talker');
  return LOG_MB / seconds;
}

/** containerd's own ways to log, by its own client. */
class Loggers {
  readonly #host: TestHost;
  readonly #folder: string;
  /** Paths as seen in the host. */
  readonly output = '/var/lib/loggers/output';
  readonly logger = '/var/lib/loggers/logger';

  constructor(host: TestHost) {
    this.#host = host;
    this.#folder = join(host.directory, 'lib/loggers');
    mkdirSync(join(this.#folder, 'rootfs/bin'), { recursive: true });
    mkdirSync(join(this.#folder, 'rootfs/tmp'));
    mkdirSync(join(this.#folder, 'rootfs/proc'));
    copyFileSync('/bin/busybox', join(this.#folder, 'rootfs/bin/busybox'));
    for (const name of ['sh', 'cat', 'yes', 'head', 'tr', 'seq', 'sleep']) {
      symlinkSync('busybox', join(this.#folder, 'rootfs/bin', name));
    }
    // Standard output is descriptor 3 and error 4; closing 5 says that it is ready.
    const script = '#!/bin/sh\nexec 5>&-\nexec cat <&3 >"$1"\n';
    writeFileSync(join(this.#folder, 'logger'), script, { mode: 0o755 });
  }

  async rate(uri: string): Promise<number> {
    rmSync(join(this.#folder, 'output'), { force: true });
    const start = performance.now();
    await this.#run(['--rm', '--log-uri', uri], ['talker', 'sh', '-c', SCRIPT]);
    return LOG_MB / ((performance.now() - start) / 1000);
  }

  /** MiB of one logger that waits, pages that are shared with others counted in part. */
  async memory(): Promise<number> {
    const uri = `binary://${this.logger}?${this.output}`;
    await this.#run(['-d', '--log-uri', uri], ['quiet', 'sleep', '60']);
    const cat = this.#host.processes().find(({ command }) => command === 'cat');
    const sizes = readFileSync(`/proc/${cat?.pid}/smaps_rollup`, 'utf8');
    await this.#ctr('task', 'kill', '-s', 'KILL', 'quiet');
    await this.#ctr('task', 'delete', 'quiet').catch(() => {});
    await this.#ctr('container', 'delete', 'quiet');
    return Number(/^Pss:\s+(\d+) kB/m.exec(sizes)?.[1]) / 1024;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #run(options: readonly string[], rest: readonly string[]): Promise<string> {
    return this.#ctr('run', ...options, '--env', 'PATH=/bin', '--rootfs', '/var/lib/loggers/rootfs', ...rest);
  }

  #ctr(...args: string[]): Promise<string> {
    const socket = '/run/fairway/containerd/containerd.sock';
    return this.#host.ok(['ctr', '--address', socket, '--namespace', 'loggers', ...args]);
  }
}
