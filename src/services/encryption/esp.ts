import { bitsOf, type Cidr, familyOf, type Ip } from '../../base/index.ts';
import {
  type NetnsHandle,
  Xfrm,
  XfrmMonitor,
  type XfrmPolicy,
  type XfrmSelector,
  type XfrmTemplate,
} from '../../kernel/index.ts';
import type { Association } from './associations.ts';

/** The mark of our associations and of the policies that ask for them. */
export const REQID = 0x0fa1_7a70;
const UDP = 17;
/** Before those of others. */
const PRIORITY = { peer: 100, rest: 200 } as const;
/** Packets may come in this order: more than the queues of a fast link are long. */
const REPLAY_WINDOW = 2048;

/** The part of the kernel that encrypts, as far as one port is concerned. */
export interface Esp extends Disposable {
  /** Ours, both directions. */
  associations(): readonly Association[];
  /** One with the same destination and number gives way. */
  add(association: Association): void;
  /** Repeatable. */
  remove(association: Pick<Association, 'destination' | 'spi'>): void;
  /** All on the port. */
  policies(): readonly XfrmPolicy[];
  set(policy: XfrmPolicy): void;
  /** Repeatable. */
  unset(policy: XfrmPolicy): void;
}

export interface KernelEspOptions {
  readonly port: number;
  readonly netns?: NetnsHandle | undefined;
  /** Something was taken away or changed, perhaps by ourselves. */
  readonly onLoss: () => void;
  readonly onError?: (error: unknown) => void;
}

/** The kernel's own, in one network namespace. */
export class KernelEsp implements Esp {
  readonly #xfrm: Xfrm;
  readonly #monitor: XfrmMonitor;
  readonly #port: number;

  private constructor(xfrm: Xfrm, options: KernelEspOptions) {
    this.#xfrm = xfrm;
    this.#port = options.port;
    this.#monitor = XfrmMonitor.open({ netns: options.netns, onError: options.onError }, options.onLoss);
  }

  static open(options: KernelEspOptions): KernelEsp {
    const xfrm = Xfrm.open(options.netns);
    try {
      return new KernelEsp(xfrm, options);
    } catch (error) {
      xfrm.close();
      throw error;
    }
  }

  associations(): readonly Association[] {
    return this.#xfrm.states.list().flatMap(({ reqid, source, destination, spi, key = new Uint8Array() }) =>
      // Zero: nobody brought what the kernel asked for.
      reqid === REQID && spi !== 0 ? [{ source, destination, spi, key }] : [],
    );
  }

  add(association: Association): void {
    const { source, destination } = association;
    this.#xfrm.states.remove(association);
    this.#xfrm.states.add({
      ...association,
      reqid: REQID,
      replayWindow: REPLAY_WINDOW,
      selector: { ...portSelector(this.#port, source), source: host(source), destination: host(destination) },
    });
  }

  remove(association: Pick<Association, 'destination' | 'spi'>): void {
    this.#xfrm.states.remove(association);
  }

  policies(): readonly XfrmPolicy[] {
    return this.#xfrm.policies
      .list()
      .filter(({ selector }) => selector.protocol === UDP && selector.destinationPort === this.#port);
  }

  set(policy: XfrmPolicy): void {
    this.#xfrm.policies.replace(policy);
  }

  unset(policy: XfrmPolicy): void {
    this.#xfrm.policies.remove(policy);
  }

  [Symbol.dispose](): void {
    this.#monitor[Symbol.dispose]();
    this.#xfrm.close();
  }
}

/**
 * What may pass the port. In: what came through one of our associations, whichever; the kernel compares the mark, and only
 * nodes have the keys. Out: to each other node by exactly the association that is named, and to nobody else.
 */
export function policiesOf(self: Ip, port: number, send: readonly Association[]): XfrmPolicy[] {
  const any = portSelector(port, self);
  const selector = { ...any, source: host(self) };
  const template = (spi: number | undefined): XfrmTemplate => ({
    reqid: REQID,
    spi,
    source: undefined,
    destination: undefined,
  });
  return [
    { direction: 'in', selector: any, priority: PRIORITY.rest, template: template(undefined) },
    { direction: 'out', selector, priority: PRIORITY.rest, template: undefined },
    ...send.map(
      ({ destination, spi }): XfrmPolicy => ({
        direction: 'out',
        selector: { ...selector, destination: host(destination) },
        priority: PRIORITY.peer,
        template: template(spi),
      }),
    ),
  ];
}

/** By which the kernel tells policies apart. */
export function policyName({ direction, selector }: XfrmPolicy): string {
  return JSON.stringify([direction, selector.family, selector.source, selector.destination]);
}

function portSelector(port: number, self: Ip): XfrmSelector {
  return {
    family: familyOf(self),
    source: undefined,
    destination: undefined,
    protocol: UDP,
    sourcePort: undefined,
    destinationPort: port,
  };
}

function host(ip: Ip): Cidr {
  return { ip, prefix: bitsOf(familyOf(ip)) };
}
