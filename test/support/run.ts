import { spawn } from 'node:child_process';

export interface RunResult {
  /** Exit status; 128 + n after signal n. */
  readonly code: number;
  readonly stdout: string;
  /** Stdout as it came, when `binary` was asked for. */
  readonly bytes?: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that takes longer is killed and fails the test. */
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** What it prints is no text. */
  readonly binary?: boolean;
}

/** Runs a program to its end and gives what it printed; never throws for an exit status. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    const limit = options.timeoutMs ?? 120_000;
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      const said = Buffer.concat([...stdout, ...stderr])
        .toString()
        .slice(-4000);
      reject(new Error(`${command.join(' ')}: no end after ${limit} ms; so far it printed:\n${said}`));
    }, limit);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({
        code: code ?? 128 + signalNumber(signal),
        stdout: Buffer.concat(stdout).toString(),
        ...(options.binary && { bytes: Buffer.concat(stdout) }),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
  });
}

/** Like {@link run}, but an exit status other than 0 throws with all that was printed. Returns stdout without the last newline. */
export async function ok(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(command, options);
  if (result.code !== 0) {
    throw new Error(`${command.join(' ')}: exit ${result.code}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout.replace(/\n$/, '');
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === 'SIGKILL' ? 9 : signal === 'SIGTERM' ? 15 : signal === 'SIGINT' ? 2 : 1;
}
