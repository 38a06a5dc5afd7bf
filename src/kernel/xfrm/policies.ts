import type { Ip } from '../../base/index.ts';
import { isErrno } from '../ffi/index.ts';
import {
  afOf,
  type Message,
  MessageWriter,
  type NetlinkSocket,
  readAttributes,
  uapi,
  viewOf,
} from '../netlink/core/index.ts';
import * as c from './constants.ts';
import {
  readAddress,
  readSelector,
  writeAddress,
  writeEndlessLifetime,
  writeSelector,
  type XfrmSelector,
} from './selector.ts';

export type XfrmDirection = 'in' | 'out';

/** Which state packets must have come, or go, through: ESP in transport mode. */
export interface XfrmTemplate {
  readonly reqid: number;
  /** Exactly this state; absent: any of that `reqid` between the addresses. */
  readonly spi?: number | undefined;
  /** Absent: those of the packet. */
  readonly source?: Ip | undefined;
  readonly destination?: Ip | undefined;
}

export interface XfrmPolicyId {
  readonly direction: XfrmDirection;
  readonly selector: XfrmSelector;
}

export interface XfrmPolicy extends XfrmPolicyId {
  /** The smallest of those that match decides. */
  readonly priority: number;
  /** Undefined: packets are dropped. */
  readonly template: XfrmTemplate | undefined;
}

const DIRECTIONS: Readonly<Record<XfrmDirection, number>> = { in: c.XFRM_POLICY_IN, out: c.XFRM_POLICY_OUT };

/** Which packets must be protected, and how, in one network namespace. */
export class XfrmPolicies {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Adds it or changes the one of this direction and selector, in one step for packets. */
  replace(policy: XfrmPolicy): void {
    const write = new MessageWriter(c.XFRM_MSG_UPDPOLICY, uapi.NLM_F_REQUEST | uapi.NLM_F_ACK);
    this.#socket.change(policyMessage(write, policy), `set security policy ${nameOf(policy)}`);
  }

  /** False when it is not there. */
  remove(id: XfrmPolicyId): boolean {
    const write = new MessageWriter(c.XFRM_MSG_DELPOLICY, uapi.NLM_F_REQUEST | uapi.NLM_F_ACK).raw(policyIdBytes(id));
    try {
      this.#socket.change(write, `remove security policy ${nameOf(id)}`);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }

  /** Those in and out, of both families and of whomever. Of several templates the first is told. */
  list(): XfrmPolicy[] {
    const request = (): MessageWriter => new MessageWriter(c.XFRM_MSG_GETPOLICY, uapi.NLM_F_REQUEST | uapi.NLM_F_DUMP);
    return this.#socket.dump(request, 'list security policies', (reply) =>
      reply.type === c.XFRM_MSG_NEWPOLICY ? decodePolicy(reply) : undefined,
    );
  }
}

function nameOf({ direction, selector }: XfrmPolicyId): string {
  const { source, destination, destinationPort } = selector;
  return `${direction} ${source?.ip ?? 'any'} to ${destination?.ip ?? 'any'} port ${destinationPort ?? 'any'}`;
}

/** struct xfrm_userpolicy_info and its template. */
export function policyMessage(write: MessageWriter, policy: XfrmPolicy): MessageWriter {
  const bytes = new Uint8Array(c.POLICY_LENGTH);
  const view = viewOf(bytes);
  writeSelector(bytes, 0, policy.selector);
  writeEndlessLifetime(bytes, 56);
  view.setUint32(152, policy.priority, true);
  view.setUint8(160, DIRECTIONS[policy.direction]);
  view.setUint8(161, policy.template === undefined ? c.XFRM_POLICY_BLOCK : c.XFRM_POLICY_ALLOW);
  write.raw(bytes);
  if (policy.template !== undefined) write.bytes(c.XFRMA_TMPL, templateBytes(policy.template, policy.selector));
  return write;
}

/** struct xfrm_user_tmpl. All bits in the masks: an AEAD counts as none of the algorithms they speak of. */
function templateBytes(template: XfrmTemplate, { family }: XfrmSelector): Uint8Array {
  const bytes = new Uint8Array(c.TEMPLATE_LENGTH);
  const view = viewOf(bytes);
  if (template.destination !== undefined) writeAddress(bytes, 0, template.destination);
  view.setUint32(16, template.spi ?? 0);
  view.setUint8(20, c.IPPROTO_ESP);
  view.setUint16(24, afOf(family), true);
  if (template.source !== undefined) writeAddress(bytes, 28, template.source);
  view.setUint32(44, template.reqid, true);
  view.setUint8(48, c.XFRM_MODE_TRANSPORT);
  bytes.fill(0xff, 52, 64);
  return bytes;
}

/** struct xfrm_userpolicy_id. */
export function policyIdBytes({ direction, selector }: XfrmPolicyId): Uint8Array {
  const bytes = new Uint8Array(c.POLICY_ID_LENGTH);
  writeSelector(bytes, 0, selector);
  bytes[60] = DIRECTIONS[direction];
  return bytes;
}

/** Undefined for what is neither in nor out: forwarded packets, and the policies of single sockets. */
export function decodePolicy({ body }: Message): XfrmPolicy | undefined {
  if (body.length < c.POLICY_LENGTH) return undefined;
  const view = viewOf(body);
  const selector = readSelector(body, 0);
  const direction = (Object.keys(DIRECTIONS) as XfrmDirection[]).find(
    (name) => DIRECTIONS[name] === view.getUint8(160),
  );
  if (selector === undefined || direction === undefined) return undefined;
  const allowed = view.getUint8(161) === c.XFRM_POLICY_ALLOW;
  const template = readAttributes(body, c.POLICY_LENGTH).bytes(c.XFRMA_TMPL);
  return {
    direction,
    selector,
    priority: view.getUint32(152, true),
    template: allowed && template !== undefined ? readTemplate(template, selector) : undefined,
  };
}

function readTemplate(bytes: Uint8Array, { family }: XfrmSelector): XfrmTemplate {
  const view = viewOf(bytes);
  const address = (at: number): Ip | undefined => {
    const ip = readAddress(bytes, at, family);
    return bytes.subarray(at, at + 16).every((byte) => byte === 0) ? undefined : ip;
  };
  return {
    reqid: view.getUint32(44, true),
    spi: view.getUint32(16) || undefined,
    source: address(28),
    destination: address(0),
  };
}
