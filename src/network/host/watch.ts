import { mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Id } from '../../base/index.ts';
import { type Link, type Rtnl, type RtnlEvent, RtnlMonitor } from '../../kernel/index.ts';
import { isOverlayLink, ownerOf, ROUTE_MARK } from '../../model/index.ts';
import type { HostChange } from './host.ts';

/**
 * Tells of changes in the daemon's namespace, and among pinned namespaces, that may have taken something from us. Only links
 * with our mark count, and of those that changed only such as are down, or without a bridge, when the news arrives.
 */
export function watchHost(
  { rtnl, netnsDir }: { readonly rtnl: Rtnl; readonly netnsDir: string },
  listener: (change: HostChange) => void,
): Disposable {
  using undo = new DisposableStack();
  const isBack = linksThatComeBack(rtnl);
  undo.use(
    RtnlMonitor.open({ groups: ['links', 'addresses', 'routes', 'settings'] }, (event) => {
      const change = changeOf(rtnl, event);
      if (change !== undefined) listener(change);
      if (event.kind === 'link' && isBack(event.link, event.removed)) listener({ kind: 'peers', id: undefined });
    }),
  );
  // Of its own: a thousand peers that come at once fill its queue.
  const peerChange = peerChanges(rtnl);
  undo.use(
    RtnlMonitor.open({ groups: ['links', 'neighbours'] }, (event) => {
      const change = peerChange(event);
      if (change !== undefined) listener(change);
    }),
  );
  mkdirSync(netnsDir, { recursive: true, mode: 0o755 });
  const folder = watch(netnsDir, (_event, name) => {
    listener(name === null ? { kind: 'anything' } : { kind: 'namespace', path: join(netnsDir, name) });
  });
  folder.on('error', () => listener({ kind: 'anything' }));
  folder.unref();
  undo.defer(() => folder.close());
  return undo.move();
}

function changeOf(rtnl: Rtnl, event: RtnlEvent): HostChange | undefined {
  switch (event.kind) {
    case 'overrun':
      return { kind: 'anything' };
    case 'settings':
      return event.forwarding === false ? { kind: 'anything' } : undefined;
    case 'link':
      return event.removed || isAstray(event.link) ? linkChange(rtnl, event.link, event.removed) : undefined;
    case 'address':
      return event.removed ? changeOn(rtnl, event.address.linkIndex) : undefined;
    case 'route':
      if (!event.removed) return undefined;
      // By a link that is not ours.
      if (event.route.protocol === ROUTE_MARK) return { kind: 'peers', id: undefined };
      return changeOn(rtnl, event.route.linkIndex);
    default:
      return undefined;
  }
}

/** Whoever takes a link of the host down takes the routes to other nodes along, and nobody tells of that. */
function linksThatComeBack(rtnl: Rtnl): (link: Link, removed: boolean) => boolean {
  const seen = new Map<number, 'up' | 'down'>();
  for (const { index, flags } of rtnl.links.list()) if (flags.up) seen.set(index, 'up');
  return ({ index, flags }, removed) => {
    const before = seen.get(index);
    if (removed) seen.delete(index);
    else if (flags.up) seen.set(index, 'up');
    else if (before !== undefined) seen.set(index, 'down');
    return !removed && flags.up && before === 'down';
  };
}

/** Neighbours come and go on every link of a busy host, so what a link is is asked once. */
function peerChanges(rtnl: Rtnl): (event: RtnlEvent) => HostChange | undefined {
  const owners = new Map<number, Id | undefined>();
  const ownerAt = (index: number): Id | undefined => {
    if (!owners.has(index)) {
      const link = rtnl.links.get(index);
      owners.set(index, link !== undefined && isOverlayLink(link) ? ownerOf(link).network : undefined);
    }
    return owners.get(index);
  };
  return (event) => {
    if (event.kind === 'overrun') return { kind: 'peers', id: undefined };
    if (event.kind === 'link') owners.delete(event.link.index);
    if ((event.kind !== 'neighbour' && event.kind !== 'forwarding') || !event.removed) return undefined;
    const id = ownerAt(event.kind === 'neighbour' ? event.neighbour.linkIndex : event.entry.linkIndex);
    return id === undefined ? undefined : { kind: 'peers', id };
  };
}

/** While a port is being made it is down for a moment, so what it is now counts. */
function linkChange(rtnl: Rtnl, link: Link, removed: boolean): HostChange | undefined {
  const change = ofOwner(link);
  if (change === undefined || removed) return change;
  const now = rtnl.links.get(link.index);
  return now === undefined || isAstray(now) ? change : undefined;
}

function isAstray({ flags, kind, masterIndex }: Link): boolean {
  return !flags.up || ((kind === 'veth' || kind === 'vxlan') && masterIndex === undefined);
}

function changeOn(rtnl: Rtnl, linkIndex: number | undefined): HostChange | undefined {
  const link = linkIndex === undefined ? undefined : rtnl.links.get(linkIndex);
  return link === undefined ? undefined : ofOwner(link);
}

function ofOwner(link: Link): HostChange | undefined {
  const { network, endpoint } = ownerOf(link);
  if (network !== undefined) return { kind: 'network', id: network };
  return endpoint === undefined ? undefined : { kind: 'endpoint', id: endpoint };
}
