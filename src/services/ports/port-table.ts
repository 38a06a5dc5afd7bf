import { familyOf, type Ip, isUnspecifiedIp } from '../../base/index.ts';
import type { Protocol } from '../../model/index.ts';

/** Which addresses have which port. Pure bookkeeping; whoever adds also removes. */
export class PortTable {
  readonly #taken = new Map<string, Ip[]>();

  /** A wildcard excludes every address of its family, and the other way round. */
  isFree(protocol: Protocol, ip: Ip, port: number): boolean {
    const taken = this.#taken.get(`${protocol} ${port}`) ?? [];
    return !taken.some(
      (other) => familyOf(other) === familyOf(ip) && (other === ip || isUnspecifiedIp(other) || isUnspecifiedIp(ip)),
    );
  }

  add(protocol: Protocol, ip: Ip, port: number): void {
    const key = `${protocol} ${port}`;
    const taken = this.#taken.get(key);
    if (taken === undefined) this.#taken.set(key, [ip]);
    else taken.push(ip);
  }

  remove(protocol: Protocol, ip: Ip, port: number): void {
    const key = `${protocol} ${port}`;
    const left = (this.#taken.get(key) ?? []).filter((other) => other !== ip);
    if (left.length === 0) this.#taken.delete(key);
    else this.#taken.set(key, left);
  }
}
