import { type Clock, type Log, messageOf } from '../../base/index.ts';
import type { ContainerEngine } from '../engine.ts';
import type { Registry } from '../records/index.ts';
import type { Announcer } from './announce.ts';

const RETRY_MS = 1_000;

/** Listens to containerd for containers that ran out of memory, as long as the daemon lives. */
export class OomWatch {
  readonly #deps: {
    readonly containerd: Pick<ContainerEngine, 'events'>;
    readonly registry: Registry;
    readonly announcer: Announcer;
    readonly clock: Clock;
    readonly log: Log;
  };
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(deps: {
    readonly containerd: Pick<ContainerEngine, 'events'>;
    readonly registry: Registry;
    readonly announcer: Announcer;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#deps = deps;
  }

  start(): void {
    this.#running = this.#listen();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #listen(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const events = this.#deps.containerd.events.subscribe({ filters: ['topic==/tasks/oom'], signal });
        for await (const { task } of events) if (task?.type === 'oom') this.#killed(task.containerId);
      } catch (error) {
        if (signal.aborted) return;
        this.#deps.log.debug({ reason: messageOf(error) }, 'events of containerd broke off');
      }
      await this.#pause();
    }
  }

  #killed(id: string): void {
    const container = this.#deps.registry.find(id);
    if (!container) return;
    container.changeState({ oomKilled: true });
    this.#deps.announcer.say(container, 'oom');
  }

  #pause(): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#deps.clock.after(RETRY_MS, done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
