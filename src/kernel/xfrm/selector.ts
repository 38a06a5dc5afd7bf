import { type Cidr, type Ip, type IpFamily, ipBytes, ipFromBytes } from '../../base/index.ts';
import { afOf, familyOfAf, viewOf } from '../netlink/core/index.ts';
import { SELECTOR_LENGTH } from './constants.ts';

/** Which packets a state or a policy is about. What is absent is not looked at. */
export interface XfrmSelector {
  readonly family: IpFamily;
  readonly source?: Cidr | undefined;
  readonly destination?: Cidr | undefined;
  /** IPPROTO_*. */
  readonly protocol?: number | undefined;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
}

const ADDRESS_LENGTH = 16;

/** xfrm_address_t: IPv4 in its first four bytes. */
export function writeAddress(bytes: Uint8Array, at: number, ip: Ip): void {
  bytes.set(ipBytes(ip), at);
}

export function readAddress(bytes: Uint8Array, at: number, family: IpFamily): Ip {
  return ipFromBytes(bytes.subarray(at, at + (family === 4 ? 4 : ADDRESS_LENGTH)));
}

/** struct xfrm_selector. */
export function writeSelector(bytes: Uint8Array, at: number, selector: XfrmSelector): void {
  const view = viewOf(bytes);
  const { source, destination, sourcePort, destinationPort } = selector;
  if (destination !== undefined) writeAddress(bytes, at, destination.ip);
  if (source !== undefined) writeAddress(bytes, at + 16, source.ip);
  writePort(view, at + 32, destinationPort);
  writePort(view, at + 36, sourcePort);
  view.setUint16(at + 40, afOf(selector.family), true);
  view.setUint8(at + 42, destination?.prefix ?? 0);
  view.setUint8(at + 43, source?.prefix ?? 0);
  view.setUint8(at + 44, selector.protocol ?? 0);
}

export function readSelector(bytes: Uint8Array, at: number): XfrmSelector | undefined {
  const view = viewOf(bytes.subarray(at, at + SELECTOR_LENGTH));
  const family = familyOfAf(view.getUint16(40, true));
  if (family === undefined) return undefined;
  const range = (offset: number, prefix: number): Cidr | undefined =>
    prefix === 0 ? undefined : { ip: readAddress(bytes, at + offset, family), prefix };
  return {
    family,
    source: range(16, view.getUint8(43)),
    destination: range(0, view.getUint8(42)),
    protocol: view.getUint8(44) || undefined,
    sourcePort: readPort(view, 36),
    destinationPort: readPort(view, 32),
  };
}

/** A port in network order and its mask. */
function writePort(view: DataView, at: number, port: number | undefined): void {
  if (port === undefined) return;
  view.setUint16(at, port);
  view.setUint16(at + 2, 0xffff);
}

function readPort(view: DataView, at: number): number | undefined {
  return view.getUint16(at + 2) === 0 ? undefined : view.getUint16(at);
}

/** struct xfrm_lifetime_cfg without an end: no limit of bytes and packets, and (zero) none of time. */
export function writeEndlessLifetime(bytes: Uint8Array, at: number): void {
  bytes.fill(0xff, at, at + 32);
}
