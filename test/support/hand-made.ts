import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseCidr } from '../../src/base/index.ts';
import { createNetns, deleteNetns, openNetns, Rtnl } from '../../src/kernel/index.ts';

const BRIDGE = 'hand0';

/** What the kernel alone takes to attach namespaces to a bridge: the least that any engine does. In the caller's namespace. */
export class HandMadeBridge implements Disposable {
  readonly #rtnl: Rtnl;
  readonly #directory: string;
  readonly #index: number;
  readonly #namespaces: string[] = [];
  #attached = 0;

  /** Namespaces are pinned in a folder `hand` of the directory. */
  constructor(rtnl: Rtnl, directory: string) {
    this.#rtnl = rtnl;
    this.#directory = join(directory, 'hand');
    mkdirSync(this.#directory, { recursive: true });
    rtnl.links.createBridge({ name: BRIDGE });
    this.#index = rtnl.links.get(BRIDGE)?.index ?? 0;
    rtnl.addresses.add(this.#index, parseCidr('10.254.0.1/16'));
    rtnl.links.set(this.#index, { up: true });
  }

  /** A new namespace, not yet attached; its path. */
  namespace(): string {
    const path = join(this.#directory, String(this.#namespaces.length));
    createNetns(path);
    this.#namespaces.push(path);
    return path;
  }

  /** A link with an address, up on both sides; its name on this side. */
  attach(path: string): string {
    using namespace = openNetns(path);
    const number = this.#attached++;
    const name = `hand-${number}`;
    const { index } = this.#rtnl.links.createVeth({
      name,
      peerName: 'eth0',
      peerNetns: namespace,
      masterIndex: this.#index,
    });
    this.#rtnl.links.set(index, { up: true });
    using inside = Rtnl.open(namespace);
    const end = inside.links.get('eth0')?.index ?? 0;
    inside.addresses.add(end, parseCidr(`${this.address(number)}/16`));
    inside.links.set(end, { up: true });
    return name;
  }

  /** How many have been attached so far. */
  get attached(): number {
    return this.#attached;
  }

  /** Of the one that was attached as number so many, from 0. */
  address(number: number): string {
    return `10.254.${1 + (number >> 8)}.${number & 255}`;
  }

  detach(name: string): void {
    this.#rtnl.links.delete(name);
  }

  [Symbol.dispose](): void {
    for (const path of this.#namespaces) deleteNetns(path);
    this.#rtnl.links.delete(BRIDGE);
  }
}
