import type { WaitCondition } from '../contract.ts';
import type { Container, ExitNotice } from '../records/index.ts';

/** The exit that a `wait` with this condition tells. The signal ends the wait; its promise then never resolves. */
export function waitFor(container: Container, condition: WaitCondition, signal?: AbortSignal): Promise<ExitNotice> {
  const { state } = container.record;
  if (condition === 'not-running' && !container.running && state.status !== 'restarting') {
    return Promise.resolve({ exitCode: state.exitCode, ...(state.error !== '' && { error: state.error }) });
  }
  return new Promise((resolve) => {
    const stops: (() => void)[] = [];
    const done = (notice: ExitNotice): void => {
      for (const stop of stops) stop();
      resolve(notice);
    };
    // One that is removed ends every wait, also one for an exit that will not come any more.
    stops.push(container.removed.on(done));
    if (condition !== 'removed') {
      stops.push(
        container.exited.on((notice) => {
          // Between two runs it is not at rest.
          if (condition === 'not-running' && container.record.state.status === 'restarting') return;
          done(notice);
        }),
      );
    }
    signal?.addEventListener(
      'abort',
      () => {
        for (const stop of stops) stop();
      },
      { once: true },
    );
  });
}
