import { NETLINK_ROUTE } from '../ffi/index.ts';
import type { NetnsHandle } from '../netns/index.ts';
import { Addresses } from './addresses.ts';
import { RtnlBatch } from './batch.ts';
import { NetlinkSocket } from './core/index.ts';
import { Fdb } from './fdb.ts';
import { Links } from './links.ts';
import { Neighbours } from './neighbours.ts';
import { Routes } from './routes.ts';

/** One rtnetlink socket and what can be asked and changed through it in its network namespace. */
export class Rtnl implements Disposable {
  readonly links: Links;
  readonly addresses: Addresses;
  readonly routes: Routes;
  readonly neighbours: Neighbours;
  readonly fdb: Fdb;
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
    this.links = new Links(socket);
    this.addresses = new Addresses(socket);
    this.routes = new Routes(socket);
    this.neighbours = new Neighbours(socket);
    this.fdb = new Fdb(socket);
  }

  /** Opens a socket in `ns`, or in the namespace the thread is in. The socket keeps the namespace alive. */
  static open(ns?: NetnsHandle): Rtnl {
    return new Rtnl(NetlinkSocket.open(NETLINK_ROUTE, ns));
  }

  /** What is put into it is done by its `run`. */
  batch(): RtnlBatch {
    return new RtnlBatch(this.#socket);
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
