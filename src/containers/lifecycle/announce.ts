import type { EventSink } from '../../model/index.ts';
import type { Container } from '../records/index.ts';

/** Tells what happened to a container, with the attributes Docker gives. */
export class Announcer {
  readonly #events: EventSink;

  constructor(deps: { readonly events: EventSink }) {
    this.#events = deps.events;
  }

  say(container: Container, action: string, attributes: Readonly<Record<string, string>> = {}): void {
    const { effective, spec, name } = container.record;
    this.#events.publish({
      type: 'container',
      action,
      id: container.id,
      attributes: { ...effective.labels, image: spec.image, name, ...attributes },
    });
  }
  /** Bytes that a prune has given back. */
  pruned(space: number): void {
    this.#events.publish({ type: 'container', action: 'prune', id: '', attributes: { reclaimed: String(space) } });
  }
}
