import type { Id, Ip } from '../../../base/index.ts';
import { DatagramBatch } from '../../../kernel/index.ts';
import type { DnsView } from '../../../model/index.ts';
import { AnswerCache, type Dialler, Forwarder, type ForwarderOptions, type Upstreams } from '../forwarding/index.ts';
import type { Change, ServerSockets } from './protocol.ts';
import { ownServers, Responder } from './responder.ts';
import { type EndServer, type Handler, serveTcp } from './tcp-server.ts';
import { serveUdp } from './udp-server.ts';
import { Zone } from './zone.ts';

export interface SandboxesDeps {
  /** Opens sockets in the namespace behind that path. */
  openIn(sandboxPath: string): Dialler;
}

interface Sandbox {
  readonly responder: Responder;
  readonly inFlight: { count: number };
  readonly sockets: ServerSockets;
  readonly namespace: string;
  /** Of the servers it brings itself. */
  own: Upstreams;
  ends: EndServer[];
}

/** A container asks a handful of names; the host's servers are asked by all. */
const OWN_CACHE = { maxEntries: 256, maxBytes: 1 << 18 };

/** The resolver proper: one zone, and the sandboxes served from it. */
export class Sandboxes {
  readonly #deps: SandboxesDeps;
  readonly #zone = new Zone();
  readonly #forwarder: Forwarder;
  readonly #batch = new DatagramBatch();
  readonly #served = new Map<Id, Sandbox>();
  #host: Upstreams = upstreams([]);
  #begun = false;

  constructor(deps: SandboxesDeps, options: ForwarderOptions = {}) {
    this.#deps = deps;
    this.#forwarder = new Forwarder(options);
  }

  get count(): number {
    return this.#served.size;
  }

  /** With the sockets they are served on, which stay ours. */
  list(): readonly { readonly sandboxId: Id; readonly namespace: string; readonly sockets: ServerSockets }[] {
    return [...this.#served].map(([sandboxId, { namespace, sockets }]) => ({ sandboxId, namespace, sockets }));
  }

  /** `sockets` belong to us from now on. */
  apply(change: Exclude<Change, { op: 'begin' }>, sockets?: ServerSockets): void {
    switch (change.op) {
      case 'addEndpoint':
        this.#zone.add(change.endpoint);
        break;
      case 'removeEndpoint':
        this.#zone.remove(change.endpointId);
        break;
      case 'setView':
        this.#setView(change.view, change.namespace ?? '', sockets);
        break;
      case 'removeView':
        this.#remove(change.sandboxId);
        break;
      case 'setHostServers':
        if (same(change.servers, this.#host.servers)) break;
        this.#forwarder.release(this.#host);
        this.#host = upstreams(change.servers);
    }
  }

  /** Before it nothing is answered: half of the names would be wrong answers. What was asked waits in the sockets. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    for (const sandbox of this.#served.values()) this.#serve(sandbox);
  }

  /** Stops reading all sockets; what was asked before is still answered. */
  end(): void {
    for (const { ends, own } of this.#served.values()) {
      for (const end of ends) end({ gracefully: true });
      this.#forwarder.release(own);
    }
    this.#forwarder.release(this.#host);
    this.#served.clear();
  }

  #setView(view: DnsView, namespace: string, sockets: ServerSockets | undefined): void {
    if (sockets !== undefined) this.#remove(view.sandboxId);
    const known = this.#served.get(view.sandboxId);
    if (known !== undefined) {
      known.responder.setView(view);
      if (same(known.own.servers, ownServers(view))) return;
      this.#forwarder.release(known.own);
      known.own = this.#ownUpstreams(view);
    } else if (sockets !== undefined) {
      const responder = new Responder(this.#zone, view);
      const own = this.#ownUpstreams(view);
      const sandbox: Sandbox = { responder, inFlight: { count: 0 }, sockets, namespace, own, ends: [] };
      this.#served.set(view.sandboxId, sandbox);
      if (this.#begun) this.#serve(sandbox);
    }
  }

  #serve(sandbox: Sandbox): void {
    const handler: Handler = (packet, transport) => {
      const response = sandbox.responder.respond(packet, transport);
      if (response === undefined || Buffer.isBuffer(response)) return response;
      const upstream = sandbox.own.servers.length > 0 ? sandbox.own : this.#host;
      const question = { packet, query: response.query, transport };
      return this.#forwarder.forward({ upstreams: upstream, inFlight: sandbox.inFlight }, question);
    };
    sandbox.ends.push(serveUdp(sandbox.sockets.udp, handler, this.#batch));
    sandbox.ends.push(serveTcp(sandbox.sockets.tcp, handler));
  }

  #ownUpstreams(view: DnsView): Upstreams {
    return upstreams(ownServers(view), this.#deps.openIn(view.sandboxPath));
  }

  #remove(id: Id): void {
    const sandbox = this.#served.get(id);
    this.#served.delete(id);
    if (sandbox === undefined) return;
    for (const end of sandbox.ends) end();
    // Or they would keep its namespace.
    this.#forwarder.release(sandbox.own);
  }
}

/** Nothing that other servers said is remembered. */
function upstreams(servers: readonly Ip[], dialler?: Dialler): Upstreams {
  return { servers, dialler, cache: new AnswerCache(dialler === undefined ? {} : OWN_CACHE), asking: new Map() };
}

function same(one: readonly Ip[], other: readonly Ip[]): boolean {
  return one.length === other.length && one.every((ip, index) => ip === other[index]);
}
