import type { Output } from '../grammar/index.ts';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGCONT'] as const;

/** Hands every signal we get to `deliver`; a failure of it is nobody's, for the process may be gone. */
export function forwardSignals(deliver: (signal: string) => Promise<void>): Disposable {
  const removals = FORWARDED.map((signal) => {
    const listener = (): void => {
      deliver(signal).catch(() => {});
    };
    process.on(signal, listener);
    return () => process.removeListener(signal, listener);
  });
  return {
    [Symbol.dispose]: () => {
      for (const remove of removals) remove();
    },
  };
}

/** Keeps the container's terminal as large as ours, from now on. */
export function followSize(
  output: Output,
  resize: (size: { rows: number; columns: number }) => Promise<void>,
): Disposable {
  const send = (): void => {
    const size = sizeOf(output);
    if (size !== undefined) resize(size).catch(() => {});
  };
  output.on('resize', send);
  send();
  return { [Symbol.dispose]: () => void output.removeListener('resize', send) };
}

export function sizeOf(output: Output): { rows: number; columns: number } | undefined {
  const { rows, columns } = output;
  return output.isTTY !== true || rows === undefined || columns === undefined ? undefined : { rows, columns };
}
