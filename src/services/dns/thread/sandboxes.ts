import type { Id, Ip } from '../../../base/index.ts';
import type { DnsView } from '../../../model/index.ts';
import type { OpenElsewhere } from './exchange.ts';
import { Forwarder, type ForwarderOptions } from './forwarder.ts';
import type { Change, ServerSockets } from './protocol.ts';
import { ownServers, Responder } from './responder.ts';
import { type Handler, serveTcp, serveUdp } from './server.ts';
import { Zone } from './zone.ts';

export interface SandboxesDeps {
  openIn(sandboxId: Id): OpenElsewhere;
}

interface Served {
  readonly responder: Responder;
  readonly inFlight: { count: number };
  readonly ends: (() => void)[];
}

/** The resolver proper, as it runs in the worker: one zone, and the sandboxes served from it. */
export class Sandboxes {
  readonly #deps: SandboxesDeps;
  readonly #zone = new Zone();
  readonly #forwarder: Forwarder;
  readonly #served = new Map<Id, Served>();
  #hostServers: readonly Ip[] = [];

  constructor(deps: SandboxesDeps, options: ForwarderOptions = {}) {
    this.#deps = deps;
    this.#forwarder = new Forwarder(options);
  }

  apply(change: Change): void {
    switch (change.op) {
      case 'addEndpoint':
        this.#zone.add(change.endpoint);
        break;
      case 'removeEndpoint':
        this.#zone.remove(change.endpointId);
        break;
      case 'setView':
        this.#setView(change.view, change.sockets);
        break;
      case 'removeView':
        this.#remove(change.sandboxId);
        break;
      case 'setHostServers':
        this.#hostServers = change.servers;
        break;
      case 'close':
        for (const id of [...this.#served.keys()]) this.#remove(id);
    }
  }

  #setView(view: DnsView, sockets: ServerSockets | undefined): void {
    if (sockets !== undefined) this.#remove(view.sandboxId);
    const known = this.#served.get(view.sandboxId);
    if (known !== undefined) known.responder.setView(view);
    else if (sockets !== undefined) this.#serve(view, sockets);
  }

  #serve(view: DnsView, sockets: ServerSockets): void {
    const served: Served = { responder: new Responder(this.#zone, view), inFlight: { count: 0 }, ends: [] };
    const handler: Handler = (packet, transport) => {
      const response = served.responder.respond(packet, transport);
      if (response === undefined || Buffer.isBuffer(response)) return response;
      const question = { packet, query: response.query, transport };
      return this.#forwarder.forward(this.#originOf(served), question);
    };
    this.#served.set(view.sandboxId, served);
    served.ends.push(serveUdp(sockets.udp, handler));
    served.ends.push(serveTcp(sockets.tcp, handler));
  }

  #originOf({ responder, inFlight }: Served): Parameters<Forwarder['forward']>[0] {
    const servers = ownServers(responder.view);
    if (servers.length === 0) return { servers: this.#hostServers, inFlight };
    return { servers, inFlight, open: this.#deps.openIn(responder.view.sandboxId) };
  }

  #remove(id: Id): void {
    const served = this.#served.get(id);
    this.#served.delete(id);
    for (const end of served?.ends ?? []) end();
  }
}
