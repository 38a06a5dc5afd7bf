import { type Id, notFound } from '../../base/index.ts';
import { type Link, type Rtnl, requireFeature } from '../../kernel/index.ts';
import { PARENT_MARK } from '../marks.ts';
import { ignoreRouterAdvertisements } from '../router-advertisements.ts';
import { type ParentOptions, vlanOf } from './options.ts';

/** Links that networks stand on. Those we made (VLAN, dummy) go with their last user; others are left as they are. */
export class ParentLinks {
  readonly #rtnl: Rtnl;
  readonly #users = new Map<string, Set<Id>>();

  constructor(deps: { readonly rtnl: Rtnl }) {
    this.#rtnl = deps.rtnl;
  }

  /** Throws when the link is neither there nor can be made; touches nothing. */
  check({ name, dummy }: ParentOptions): void {
    if (this.#rtnl.links.get(name) !== undefined) return;
    if (dummy) {
      requireFeature('dummy');
      return;
    }
    const vlan = vlanOf(name);
    if (vlan === undefined || this.#rtnl.links.get(vlan.parent) === undefined) throw missing(name);
    requireFeature('vlan8021q');
  }

  /** The link, made if need be. */
  use(parent: ParentOptions, networkId: Id): Link {
    const { name } = parent;
    const link = this.#rtnl.links.get(name) ?? this.#make(parent);
    const users = this.#users.get(name) ?? new Set<Id>();
    this.#users.set(name, users.add(networkId));
    return link;
  }

  find(name: string): Link {
    const link = this.#rtnl.links.get(name);
    if (link === undefined) throw missing(name);
    return link;
  }

  /** Repeatable. Who is not known as a user removes nothing: others may not be known yet either. */
  release({ name }: ParentOptions, networkId: Id): void {
    const users = this.#users.get(name);
    if (users?.delete(networkId) !== true || users.size > 0) return;
    this.#users.delete(name);
    const link = this.#rtnl.links.get(name);
    if (link?.alias === PARENT_MARK) this.#rtnl.links.delete(link.index);
  }

  /** Removes those of ours that nobody stands on. */
  sweep(): void {
    for (const link of this.#rtnl.links.list()) {
      if (link.alias === PARENT_MARK && !this.#users.has(link.name)) this.#rtnl.links.delete(link.index);
    }
  }

  #make(parent: ParentOptions): Link {
    this.check(parent);
    const { name, dummy } = parent;
    const vlan = vlanOf(name);
    const made =
      dummy || vlan === undefined
        ? this.#rtnl.links.createDummy({ name })
        : this.#rtnl.links.createVlan({ name, id: vlan.id, parentIndex: this.find(vlan.parent).index });
    this.#rtnl.links.set(made.index, { alias: PARENT_MARK });
    ignoreRouterAdvertisements(name);
    this.#rtnl.links.set(made.index, { up: true });
    return made;
  }
}

function missing(name: string): Error {
  return notFound('parent_missing', `parent interface "${name}" was not found on the host`);
}
