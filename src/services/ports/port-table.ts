import { familyOf, type Ip, isUnspecifiedIp } from '../../base/index.ts';
import type { Protocol } from '../../model/index.ts';

/** What has a port on some addresses. */
export interface Holder {
  readonly protocol: Protocol;
  readonly ips: readonly Ip[];
  readonly port: number;
}

const NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 0, udp: 1, sctp: 2 };

/** Who has which port on which addresses. Pure bookkeeping; whoever adds also removes. */
export class PortTable<T extends Holder> {
  /** Keys are numbers, and mostly nobody shares a port: there may be tens of thousands. */
  readonly #taken = new Map<number, T | readonly T[]>();

  /** A wildcard excludes every address of its family, and the other way round. */
  isFree(protocol: Protocol, ip: Ip, port: number): boolean {
    return !this.#at(protocol, port).some(({ ips }) =>
      ips.some(
        (other) => familyOf(other) === familyOf(ip) && (other === ip || isUnspecifiedIp(other) || isUnspecifiedIp(ip)),
      ),
    );
  }

  /** Who has exactly that address and port. */
  find(protocol: Protocol, ip: Ip, port: number): T | undefined {
    return this.#at(protocol, port).find(({ ips }) => ips.includes(ip));
  }

  add(holder: T): void {
    const others = this.#at(holder.protocol, holder.port);
    this.#taken.set(keyOf(holder.protocol, holder.port), others.length === 0 ? holder : [...others, holder]);
  }

  remove(holder: T): void {
    const left = this.#at(holder.protocol, holder.port).filter((other) => other !== holder);
    const key = keyOf(holder.protocol, holder.port);
    if (left.length === 0) this.#taken.delete(key);
    else this.#taken.set(key, left);
  }

  #at(protocol: Protocol, port: number): readonly T[] {
    const found = this.#taken.get(keyOf(protocol, port));
    if (found === undefined) return [];
    return 'length' in found ? found : [found];
  }
}

function keyOf(protocol: Protocol, port: number): number {
  return NUMBERS[protocol] * 65_536 + port;
}
