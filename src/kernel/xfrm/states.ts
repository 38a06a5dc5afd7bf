import { familyOf, type Ip, type IpFamily } from '../../base/index.ts';
import { isErrno } from '../ffi/index.ts';
import {
  type Attributes,
  afOfIp,
  familyOfAf,
  type Message,
  MessageWriter,
  type NetlinkSocket,
  readAttributes,
  textOf,
  uapi,
  viewOf,
} from '../netlink/core/index.ts';
import * as c from './constants.ts';
import { readAddress, writeAddress, writeEndlessLifetime, writeSelector, type XfrmSelector } from './selector.ts';

/** AES-GCM as RFC 4106 has it for ESP. */
export const ESP_GCM = 'rfc4106(gcm(aes))';
const ICV_BITS = 128;

/** By what the kernel finds a state. */
export interface XfrmStateId {
  readonly destination: Ip;
  /** 256 to 2³²-1. */
  readonly spi: number;
}

/** A security association: one direction between two hosts, ESP in transport mode. */
export interface XfrmStateSpec extends XfrmStateId {
  readonly source: Ip;
  /** The mark by which policies name states, and by which we know ours. */
  readonly reqid: number;
  /** AES key of 16, 24 or 32 bytes, with four bytes of salt behind it. Must never have been used by another sending state. */
  readonly key: Uint8Array;
  /** What may come through it, looked at after decryption. */
  readonly selector?: XfrmSelector | undefined;
  /** How far packets may come out of order, a multiple of 32. */
  readonly replayWindow: number;
}

export interface XfrmState extends XfrmStateId {
  readonly source: Ip;
  readonly family: IpFamily;
  /** IPPROTO_ESP, IPPROTO_AH, … */
  readonly protocol: number;
  readonly reqid: number;
  readonly transport: boolean;
  readonly esn: boolean;
  /** Undefined when there is none, as while the kernel waits for somebody to bring a key. */
  readonly algorithm: string | undefined;
  readonly key: Uint8Array | undefined;
  readonly packets: bigint;
}

/** Security associations of one network namespace. */
export class XfrmStates {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** EEXIST when there is one of that number to that destination; ENOSYS or EPROTONOSUPPORT when the kernel lacks ESP or GCM. */
  add(spec: XfrmStateSpec): void {
    const write = new MessageWriter(c.XFRM_MSG_NEWSA, uapi.NLM_F_REQUEST | uapi.NLM_F_ACK);
    this.#socket.change(stateMessage(write, spec), `add security association ${nameOf(spec)}`);
  }

  /** False when it is not there. */
  remove(id: XfrmStateId): boolean {
    const write = new MessageWriter(c.XFRM_MSG_DELSA, uapi.NLM_F_REQUEST | uapi.NLM_F_ACK).raw(stateIdBytes(id));
    try {
      this.#socket.change(write, `remove security association ${nameOf(id)}`);
      return true;
    } catch (error) {
      if (isErrno(error, 'ESRCH')) return false;
      throw error;
    }
  }

  /** Of both families and of whomever; keys are copies. */
  list(): XfrmState[] {
    const request = (): MessageWriter => new MessageWriter(c.XFRM_MSG_GETSA, uapi.NLM_F_REQUEST | uapi.NLM_F_DUMP);
    return this.#socket.dump(request, 'list security associations', (reply) =>
      reply.type === c.XFRM_MSG_NEWSA ? decodeState(reply) : undefined,
    );
  }
}

function nameOf({ destination, spi }: XfrmStateId): string {
  return `0x${spi.toString(16).padStart(8, '0')} to ${destination}`;
}

/** struct xfrm_usersa_info and its attributes. */
export function stateMessage(write: MessageWriter, spec: XfrmStateSpec): MessageWriter {
  const bytes = new Uint8Array(c.STATE_LENGTH);
  const view = viewOf(bytes);
  writeSelector(bytes, 0, spec.selector ?? { family: familyOf(spec.destination) });
  writeAddress(bytes, 56, spec.destination);
  view.setUint32(72, spec.spi);
  view.setUint8(76, c.IPPROTO_ESP);
  writeAddress(bytes, 80, spec.source);
  writeEndlessLifetime(bytes, 96);
  view.setUint32(208, spec.reqid, true);
  view.setUint16(212, afOfIp(spec.destination), true);
  view.setUint8(214, c.XFRM_MODE_TRANSPORT);
  // The window stands in the attribute; here it has to be zero.
  view.setUint8(216, c.XFRM_STATE_ESN);
  return write
    .raw(bytes)
    .bytes(c.XFRMA_ALG_AEAD, algorithmBytes(spec.key))
    .bytes(c.XFRMA_REPLAY_ESN_VAL, replayBytes(spec.replayWindow));
}

/** struct xfrm_algo_aead: lengths are in bits. */
function algorithmBytes(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(c.ALGORITHM_LENGTH + key.length);
  const view = viewOf(bytes);
  bytes.set(Buffer.from(ESP_GCM));
  view.setUint32(64, key.length * 8, true);
  view.setUint32(68, ICV_BITS, true);
  bytes.set(key, c.ALGORITHM_LENGTH);
  return bytes;
}

/** struct xfrm_replay_state_esn: the size of the bitmap in words, counters from zero, the window. */
function replayBytes(window: number): Uint8Array {
  const words = Math.ceil(window / 32);
  const bytes = new Uint8Array(c.REPLAY_LENGTH + words * 4);
  const view = viewOf(bytes);
  view.setUint32(0, words, true);
  view.setUint32(20, window, true);
  return bytes;
}

/** struct xfrm_usersa_id. */
export function stateIdBytes({ destination, spi }: XfrmStateId): Uint8Array {
  const bytes = new Uint8Array(c.STATE_ID_LENGTH);
  const view = viewOf(bytes);
  writeAddress(bytes, 0, destination);
  view.setUint32(16, spi);
  view.setUint16(20, afOfIp(destination), true);
  view.setUint8(22, c.IPPROTO_ESP);
  return bytes;
}

export function decodeState({ body }: Message): XfrmState | undefined {
  if (body.length < c.STATE_LENGTH) return undefined;
  const view = viewOf(body);
  const family = familyOfAf(view.getUint16(212, true));
  if (family === undefined) return undefined;
  const { algorithm, key } = readAlgorithm(readAttributes(body, c.STATE_LENGTH));
  return {
    destination: readAddress(body, 56, family),
    spi: view.getUint32(72),
    source: readAddress(body, 80, family),
    family,
    protocol: view.getUint8(76),
    reqid: view.getUint32(208, true),
    transport: view.getUint8(214) === c.XFRM_MODE_TRANSPORT,
    esn: (view.getUint8(216) & c.XFRM_STATE_ESN) !== 0,
    algorithm,
    key,
    packets: view.getBigUint64(168, true),
  };
}

function readAlgorithm(attributes: Attributes): Pick<XfrmState, 'algorithm' | 'key'> {
  const bytes = attributes.bytes(c.XFRMA_ALG_AEAD);
  if (bytes === undefined || bytes.length < c.ALGORITHM_LENGTH) return { algorithm: undefined, key: undefined };
  const length = viewOf(bytes).getUint32(64, true) / 8;
  return {
    algorithm: textOf(bytes.subarray(0, 64)),
    key: bytes.slice(c.ALGORITHM_LENGTH, c.ALGORITHM_LENGTH + length),
  };
}
