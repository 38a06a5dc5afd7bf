// The tests of what this machine's kernel may lack (ipvlan, VLANs, dummy links), on Debian's own kernel in qemu's software
// emulation: no hardware support, no network card, nothing of this machine but copies of its programs in the guest's memory.
// The guest prints each file's results as they come; at the end its own word that all ran is compared with what was wanted.
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { writeGuestImage } from './qemu/guest.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const KERNEL = join(ROOT, '.cache/kernel');
/** What runs in the guest: all that meets the kernel itself and needs no containerd. */
const FILES = ['src/{kernel,drivers,network,services/firewall}/**/*.root.test.ts', 'test/qemu/*.test.ts'];
/** Long, and about nothing that one kernel does otherwise than another. */
const LEFT_OUT = new Set(
  ['faults', 'model', 'reconcile/reconcile', 'speed'].map((name) => `src/network/${name}.root.test.ts`),
);
/** So many tests at least, or something was left out. */
const LEAST_TESTS = 240;
/** Generous, for a machine with other things to do: it usually takes three minutes. */
const LIMIT_MS = 2_400_000;
const SUMMARY = /^ℹ (tests|pass|fail|cancelled|skipped|todo) (\d+)$/;

type Counts = Record<'tests' | 'pass' | 'fail' | 'cancelled' | 'skipped' | 'todo', number>;

interface Outcome {
  readonly counts: Counts;
  /** Files that ended, with the exit status. */
  readonly files: ReadonlyMap<string, number>;
  readonly timedOut: boolean;
}

function initScript(files: readonly string[]): string {
  return `#!/bin/sh
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root NODE_COMPILE_CACHE=/tmp/compiled NO_COLOR=1 TERM=dumb FWT_OWN_NAMESPACES=1
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir /run/netns
exec </dev/null >/dev/ttyS1 2>&1
ip link set lo up
cd /fairway
for file in ${files.join(' ')}; do
  echo "> $file"
  # As on a machine after its start, for each file: nobody's links, nobody's mounts.
  unshare -n -m --propagation private node --test-reporter=spec --test-timeout=2400000 "$file"
  echo "< $file $?"
done
sync
poweroff -f
`;
}

// thread=single: with a host thread for each of its processors the emulator crashes programs that compile while other threads call.
// no_timer_check: on a busy machine the guest's timer may tick too late for the kernel's liking, and it would not boot.
async function runGuest(image: string, folder: string): Promise<Outcome> {
  const version = readdirSync(join(KERNEL, 'lib/modules'))[0] ?? '';
  const qemu = spawn(
    'qemu-system-x86_64',
    [
      ...['-M', 'q35', '-accel', 'tcg,thread=single', '-cpu', 'max', '-smp', '2', '-m', '1536'],
      ...['-nodefaults', '-no-user-config', '-no-reboot', '-nic', 'none', '-display', 'none'],
      ...['-serial', `file:${join(folder, 'console')}`, '-serial', 'stdio'],
      ...['-kernel', join(KERNEL, `boot/vmlinuz-${version}`), '-initrd', image],
      ...[
        '-append',
        'console=ttyS0 panic=-1 no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1 nokaslr mitigations=off random.trust_cpu=on rdinit=/init',
      ],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const counts: Counts = { tests: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
  const files = new Map<string, number>();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    qemu.kill('SIGKILL');
  }, LIMIT_MS);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => qemu.kill('SIGKILL'));
  const ended = new Promise<void>((resolve, reject) => {
    qemu.on('error', reject);
    qemu.on('close', () => resolve());
  });
  createInterface({ input: qemu.stdout }).on('line', (raw) => {
    const line = raw.replace(/\r$/, '');
    const [, end = '', status] = /^< (\S+) (\d+)$/.exec(line) ?? [];
    const [, what, count] = SUMMARY.exec(line) ?? [];
    if (status !== undefined) files.set(end, Number(status));
    else if (what !== undefined) counts[what as keyof Counts] += Number(count);
    else if (!/^ℹ (suites|duration_ms) |^$/.test(line)) console.log(line);
  });
  await ended.finally(() => clearTimeout(timer));
  return { counts, files, timedOut };
}

/** Everything that is not as it must be; empty when all is well. */
function complaints(wanted: readonly string[], { counts, files, timedOut }: Outcome): string[] {
  const found: string[] = [];
  if (timedOut) found.push(`the guest did not end in ${LIMIT_MS / 1000} seconds`);
  for (const file of wanted) {
    const status = files.get(file);
    if (status === undefined) found.push(`${file} did not run to its end`);
    else if (status !== 0) found.push(`${file} ended with status ${status}`);
  }
  for (const what of ['fail', 'cancelled', 'skipped', 'todo'] as const) {
    if (counts[what] > 0) found.push(`${counts[what]} tests: ${what}`);
  }
  if (counts.pass < LEAST_TESTS) found.push(`only ${counts.pass} tests passed; there are at least ${LEAST_TESTS}`);
  return found;
}

async function main(): Promise<void> {
  if (process.arch !== 'x64') {
    console.log(`tests on Debian's kernel: left out, they need an x86-64 machine and this is ${process.arch}`);
    return;
  }
  const pattern = process.argv[2] ?? '';
  const files = globSync(FILES, { cwd: ROOT })
    .filter((path) => path.includes(pattern) && !LEFT_OUT.has(path))
    .sort();
  const folder = mkdtempSync(join(tmpdir(), 'fwt-qemu-'));
  try {
    const version = readdirSync(join(KERNEL, 'lib/modules'))[0] ?? '';
    const image = join(folder, 'initramfs');
    const modules = join(KERNEL, 'lib/modules', version);
    await writeGuestImage({ root: ROOT, modules, init: initScript(files), path: image });
    console.log(`tests on Debian's kernel ${version}, in software emulation`);
    const outcome = await runGuest(image, folder);
    const wrong = complaints(files, outcome).filter((line) => pattern === '' || !line.startsWith('only '));
    const { tests, pass, fail, skipped } = outcome.counts;
    console.log(`tests on Debian's kernel: ${tests} tests, ${pass} passed, ${fail} failed, ${skipped} skipped`);
    if (wrong.length === 0) return;
    if (outcome.files.size < files.length) {
      console.log(`the guest's console:\n${readFileSync(join(folder, 'console'), 'utf8').slice(-4000)}`);
    }
    for (const line of wrong) console.log(`FAILED on Debian's kernel: ${line}`);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
