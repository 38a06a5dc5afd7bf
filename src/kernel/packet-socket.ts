import { invalid } from '../base/index.ts';
import {
  AF_PACKET,
  bindSocket,
  ETH_P_IP,
  type OwnedFd,
  openSocket,
  packetAddress,
  receiveDatagram,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  sendDatagramTo,
} from './ffi/index.ts';
import { Rtnl } from './netlink/index.ts';
import { type NetnsHandle, runInNetns } from './netns/index.ts';

const BROADCAST = new Uint8Array(6).fill(0xff);
const LARGEST = 65_535;

/** IPv4 packets of one link without an address, as whoever asks for one by DHCP needs it. To be closed soon: it hears all. */
export class PacketSocket implements Disposable {
  readonly #fd: OwnedFd;
  readonly #linkIndex: number;

  private constructor(fd: OwnedFd, linkIndex: number) {
    this.#fd = fd;
    this.#linkIndex = linkIndex;
  }

  /** Throws when the namespace has no such link. */
  static open(ns: NetnsHandle, ifname: string): PacketSocket {
    using rtnl = Rtnl.open(ns);
    const linkIndex = rtnl.links.get(ifname)?.index;
    if (linkIndex === undefined) throw invalid('no_such_link', `cannot listen on link ${ifname}: it is not there`);
    const fd = runInNetns(ns, () => openSocket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, networkOrder(ETH_P_IP)));
    try {
      bindSocket(fd.fd, packetAddress(linkIndex, ETH_P_IP, new Uint8Array()), `listen on link ${ifname}`);
    } catch (error) {
      fd.close();
      throw error;
    }
    return new PacketSocket(fd, linkIndex);
  }

  /** To everybody on the link: an IPv4 packet, header and all. */
  broadcast(packet: Uint8Array): void {
    sendDatagramTo(this.#fd.fd, packet, packetAddress(this.#linkIndex, ETH_P_IP, BROADCAST));
  }

  /** The next IPv4 packet that came, undefined when there is none. */
  receive(): Uint8Array | undefined {
    const buffer = new Uint8Array(LARGEST);
    const length = receiveDatagram(this.#fd.fd, buffer, 0);
    return length === undefined ? undefined : buffer.subarray(0, length);
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

function networkOrder(number: number): number {
  return ((number & 0xff) << 8) | (number >> 8);
}
