import { assertContainerName, conflict, type Id, invalid, notFound } from '../../base/index.ts';
import type { CommitOptions, Store } from '../../model/index.ts';
import { Container } from './container.ts';
import { randomName } from './random-name.ts';
import type { ContainerRecord } from './record.ts';

const PREFIX = 'containers/';

export function noSuchContainer(ref: string): Error {
  return notFound('container_not_found', `No such container: ${ref}`);
}

/** Every container, by id and by name. Names are unique and taken before anything else happens. */
export class Registry {
  readonly #store: Store;
  /** Stored by another version of ours. */
  readonly #foreign = new Set<string>();
  readonly #byId = new Map<string, Container>();
  readonly #idByName = new Map<string, Id>();

  constructor(deps: { readonly store: Store }) {
    this.#store = deps.store;
  }

  /** Reads what a former daemon stored. A record that cannot be understood is left out. */
  async load(): Promise<void> {
    for (const { value } of await this.#store.list<ContainerRecord>(PREFIX)) {
      if (value.version !== 1) {
        this.#foreign.add(value.id);
        continue;
      }
      this.#idByName.set(value.name, value.id);
      this.#byId.set(value.id, new Container(value));
    }
  }

  /** Takes a name for an id, or finds a free one. Undone by {@link release}. */
  reserve(id: Id, wanted: string | undefined): string {
    if (wanted === undefined || wanted === '') {
      for (let attempt = 0; ; attempt += 1) {
        const name = randomName(attempt);
        if (this.#idByName.has(name)) continue;
        this.#idByName.set(name, id);
        return name;
      }
    }
    const name = wanted.replace(/^\//, '');
    assertContainerName(name);
    const holder = this.#idByName.get(name);
    if (holder !== undefined && holder !== id) {
      throw conflict(
        'container_name_taken',
        `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
    this.#idByName.set(name, id);
    return name;
  }

  release(id: Id, name: string): void {
    if (this.#idByName.get(name) === id) this.#idByName.delete(name);
  }

  add(record: ContainerRecord): Container {
    const container = new Container(record);
    this.#byId.set(record.id, container);
    this.#idByName.set(record.name, record.id);
    return container;
  }

  async save(container: Container, options: CommitOptions = {}): Promise<void> {
    if (!this.#byId.has(container.id)) return;
    await this.#store.commit([{ put: PREFIX + container.id, value: container.record }], options);
  }

  /** Takes it out of memory and store; repeatable. */
  async remove(container: Container): Promise<void> {
    await this.#store.delete(PREFIX + container.id);
    this.#byId.delete(container.id);
    this.release(container.id, container.name);
  }

  /** Full id, then name (with or without slash), then unambiguous id prefix. Throws `No such container: X`. */
  get(ref: string): Container {
    const found = this.find(ref);
    if (found === undefined) throw noSuchContainer(ref);
    return found;
  }

  find(ref: string): Container | undefined {
    if (ref === '') throw invalid('empty_reference', 'No container name or ID supplied');
    const whole = this.#byId.get(ref);
    if (whole) return whole;
    const named = this.#idByName.get(ref.replace(/^\//, ''));
    if (named !== undefined) return this.#byId.get(named);
    if (!/^[0-9a-f]{1,63}$/.test(ref)) return undefined;
    const matches = [...this.#byId.keys()].filter((id) => id.startsWith(ref));
    if (matches.length > 1) {
      throw invalid('ambiguous_reference', `multiple IDs found with provided prefix: ${ref}`);
    }
    return matches[0] === undefined ? undefined : this.#byId.get(matches[0]);
  }

  /** Is that somebody's id, be it of one that is being made, or of a record that this version does not understand? */
  holds(id: string): boolean {
    return this.#byId.has(id) || this.#foreign.has(id) || [...this.#idByName.values()].some((one) => one === id);
  }

  /** Newest first. */
  all(): Container[] {
    return [...this.#byId.values()].sort((a, b) => (a.record.created < b.record.created ? 1 : -1));
  }
}
