import { errnoName, SystemError } from '../../ffi/index.ts';
import { HEADER_LENGTH, type Message, readAttributes, viewOf } from './codec.ts';
import { NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSGERR_ATTR_MSG } from './constants.ts';

/** The kernel refused a request; `extended` is its own explanation, where it gave one. */
export class NetlinkError extends SystemError {
  readonly extended: string | undefined;

  constructor(errno: string, action: string, extended?: string) {
    super(errno, { syscall: 'netlink', action, detail: extended });
    this.name = 'NetlinkError';
    this.extended = extended;
  }
}

/** Why the kernel refused, without more ado; undefined when it did not. */
export function refusalIn(message: Message): string | undefined {
  if (message.body.length < 4) return undefined;
  const code = viewOf(message.body).getInt32(0, true);
  return code < 0 ? errnoName(-code) : undefined;
}

/** The failure in an NLMSG_ERROR or NLMSG_DONE; undefined when it reports success. */
export function failureIn(message: Message, action: string): NetlinkError | undefined {
  const refusal = refusalIn(message);
  return refusal === undefined ? undefined : new NetlinkError(refusal, action, extendedText(message));
}

function extendedText(message: Message): string | undefined {
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return undefined;
  let offset = 4;
  if (message.type !== NLMSG_DONE) {
    // Behind the number comes the request: its header only when the acknowledgement is capped.
    const capped = (message.flags & NLM_F_CAPPED) !== 0;
    offset += capped ? HEADER_LENGTH : (viewOf(message.body).getUint32(4, true) + 3) & ~3;
  }
  return readAttributes(message.body, offset).text(NLMSGERR_ATTR_MSG);
}
