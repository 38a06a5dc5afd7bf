import { randomInt } from 'node:crypto';
import { type Clock, type Ip, type Log, silentLog, systemClock, unavailable } from '../../base/index.ts';
import { type Netns, openNetns, PacketSocket } from '../../kernel/index.ts';
import type { Lease, LeaseLink, Leases, LeaseWish } from '../../model/index.ts';
import { type Identity, identityOf } from './identity.ts';
import { leaseOf } from './lease.ts';
import { type DhcpAnswer, type DhcpType, decodeAnswer, encodeQuestion } from './message.ts';
import { messageIn, packetOf } from './packet.ts';
import { Renewal } from './renewal.ts';
import { askServer, tellServer } from './server-socket.ts';

export interface DhcpClientDeps {
  readonly clock?: Clock;
  readonly log?: Log;
}

/** A packet socket gives Node no event; asking costs a system call. */
const LOOK_MS = 10;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 8000;
/** A server that offered answers the request at once, or has gone. */
const REQUESTS = 2;
const SERVER_WAIT_MS = 4000;

interface Conversation {
  readonly socket: PacketSocket;
  readonly who: Identity;
  readonly transaction: number;
  readonly endMs: number;
}

/** A client for many links: RFC 2131, with packets of its own until the link has an address. */
export class DhcpClient implements Leases {
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(deps: DhcpClientDeps = {}) {
    this.#clock = deps.clock ?? systemClock;
    this.#log = deps.log ?? silentLog;
  }

  async acquire(link: LeaseLink, wish: LeaseWish): Promise<Lease> {
    using ns = openNetns(link.sandboxPath);
    using socket = PacketSocket.open(ns, link.ifname);
    const endMs = this.#clock.now() + wish.timeoutMs;
    const talk = { socket, who: identityOf(ns, link), transaction: randomInt(2 ** 32), endMs };
    let waitMs = FIRST_WAIT_MS;
    while (this.#clock.now() < endMs) {
      const offer = await this.#discover(talk, wish.address, waitMs);
      const lease = offer === undefined ? undefined : await this.#request(talk, offer);
      if (lease !== undefined) return lease;
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
    throw unavailable('dhcp_no_answer', `no DHCP server lent an address within ${wish.timeoutMs / 1000} seconds`);
  }

  keep(link: LeaseLink, lease: Lease, changed: (lease: Lease) => void): () => void {
    const renewal = new Renewal({ client: this, clock: this.#clock, log: this.#log }, { link, lease, changed });
    renewal.start();
    return () => renewal.stop();
  }

  /** Asks the server of the lease, or any, to go on lending. Undefined: no answer. */
  async renew(link: LeaseLink, lease: Lease, any: boolean): Promise<Lease | 'refused' | undefined> {
    using ns = openNetns(link.sandboxPath);
    const { ask, transaction } = this.#ownQuestion(ns, link, lease, 'request');
    const sentMs = this.#clock.now();
    const untilMs = any ? lease.endMs : lease.rebindMs;
    const answer = await askServer({
      ...{ ns, ifname: link.ifname, message: ask, server: any ? undefined : lease.server },
      ...{ clock: this.#clock, waitMs: Math.min(SERVER_WAIT_MS, Math.max(untilMs - sentMs, FIRST_WAIT_MS)) },
      accept: (bytes) => {
        const answer = decodeAnswer(bytes);
        const ours = answer?.transaction === transaction && (answer.type === 'ack' || answer.type === 'nak');
        return ours ? answer : undefined;
      },
    });
    if (answer === undefined) return undefined;
    return answer.type === 'nak' ? 'refused' : leaseOf({ ...answer, server: answer.server ?? lease.server }, sentMs);
  }

  async release(link: LeaseLink, lease: Lease): Promise<void> {
    using ns = openNetns(link.sandboxPath);
    const { ask } = this.#ownQuestion(ns, link, lease, 'release');
    await tellServer({ ns, ifname: link.ifname, message: ask, server: lease.server });
  }

  #ownQuestion(
    ns: Netns,
    link: LeaseLink,
    lease: Lease,
    type: 'request' | 'release',
  ): { readonly ask: Uint8Array; readonly transaction: number } {
    const transaction = randomInt(2 ** 32);
    const server = type === 'release' ? { server: lease.server } : {};
    const question = { ...identityOf(ns, link), ...server, type, transaction, ownAddress: lease.address.ip };
    return { ask: encodeQuestion({ ...question, broadcast: false }), transaction };
  }

  async #discover(talk: Conversation, wanted: Ip | undefined, waitMs: number): Promise<DhcpAnswer | undefined> {
    const question = { type: 'discover' as const, requestedAddress: wanted, broadcast: true };
    talk.socket.broadcast(packetOf(encodeQuestion({ ...talk.who, ...question, transaction: talk.transaction })));
    return this.#answer(talk, ['offer'], waitMs);
  }

  async #request(talk: Conversation, offer: DhcpAnswer): Promise<Lease | undefined> {
    const { server, address } = offer;
    const question = { type: 'request' as const, requestedAddress: address, server, broadcast: true };
    const packet = packetOf(encodeQuestion({ ...talk.who, ...question, transaction: talk.transaction }));
    for (let tried = 0; tried < REQUESTS; tried += 1) {
      const sentMs = this.#clock.now();
      talk.socket.broadcast(packet);
      const answer = await this.#answer(talk, ['ack', 'nak'], FIRST_WAIT_MS);
      if (answer?.type === 'nak') return undefined;
      if (answer !== undefined) return leaseOf({ ...answer, server: answer.server ?? server }, sentMs);
    }
    return undefined;
  }

  async #answer(talk: Conversation, types: readonly DhcpType[], waitMs: number): Promise<DhcpAnswer | undefined> {
    const until = Math.min(this.#clock.now() + waitMs, talk.endMs);
    for (;;) {
      for (let packet = talk.socket.receive(); packet !== undefined; packet = talk.socket.receive()) {
        const message = messageIn(packet);
        const answer = message === undefined ? undefined : decodeAnswer(message);
        if (answer === undefined || answer.transaction !== talk.transaction) continue;
        if (answer.mac === talk.who.mac && types.includes(answer.type)) return answer;
      }
      if (this.#clock.now() >= until) return undefined;
      await new Promise<void>((resolve) => this.#clock.after(LOOK_MS, resolve));
    }
  }
}
