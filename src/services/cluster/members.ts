import { Emitter, type Id } from '../../base/index.ts';
import type { ClusterNode, ClusterStore, StoreChange } from '../../model/index.ts';
import { keys, leafOf, type StoredNode } from './keys.ts';

/** Who is in the cluster, where, and who is alive: `nodes/` and `alive/`, followed. */
export class Members {
  readonly #store: ClusterStore;
  readonly #nodes = new Map<Id, StoredNode>();
  readonly #alive = new Set<Id>();
  readonly #changes = new Emitter<Id>();
  #ends: (() => void)[] = [];

  constructor(deps: { readonly store: ClusterStore }) {
    this.#store = deps.store;
  }

  /** Repeatable: what is followed already goes on. */
  async follow(): Promise<void> {
    if (this.#ends.length === 0) {
      this.#ends.push(await this.#store.follow(keys.nodes, (change) => this.#hearNode(change)));
    }
    if (this.#ends.length === 1) {
      this.#ends.push(await this.#store.follow(keys.alive, (change) => this.#hearAlive(change)));
    }
  }

  stop(): void {
    for (const end of this.#ends) end();
    this.#ends = [];
  }

  get(id: Id): ClusterNode | undefined {
    const node = this.#nodes.get(id);
    return node === undefined ? undefined : { id, ...node, alive: this.#alive.has(id) };
  }

  list(): readonly ClusterNode[] {
    return [...this.#nodes.keys()].sort().flatMap((id) => this.get(id) ?? []);
  }

  /** A node that is another now: there or gone, elsewhere, alive or not. */
  onChange(listener: (id: Id) => void): () => void {
    return this.#changes.on(listener);
  }

  #hearNode({ key, value }: StoreChange): void {
    const id = leafOf(key) as Id;
    const before = JSON.stringify(this.#nodes.get(id));
    if (value === undefined) this.#nodes.delete(id);
    else this.#nodes.set(id, value as StoredNode);
    if (JSON.stringify(this.#nodes.get(id)) !== before) this.#changes.emit(id);
  }

  #hearAlive({ key, value }: StoreChange): void {
    const id = leafOf(key) as Id;
    const before = this.#alive.has(id);
    if (value === undefined) this.#alive.delete(id);
    else this.#alive.add(id);
    if (this.#alive.has(id) !== before) this.#changes.emit(id);
  }
}
