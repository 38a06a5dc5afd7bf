import { internal } from '../../../base/index.ts';
import {
  AF_NETLINK,
  bindSocket,
  MSG_TRUNC,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  netlinkAddress,
  type OwnedFd,
  openSocket,
  receiveDatagram,
  SO_RCVTIMEO,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  SystemError,
  sendDatagram,
  sendDatagramAside,
  setSocketOption,
} from '../../ffi/index.ts';
import { type NetnsHandle, runInNetns } from '../../netns/index.ts';
import { type Message, type MessageWriter, readMessages } from './codec.ts';
import { NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP } from './constants.ts';
import { failureIn, type NetlinkError, refusalIn } from './errors.ts';

const RECEIVE_TIMEOUT_SECONDS = 10;
const DUMP_ATTEMPTS = 5;

/** Requests in one system call: should each of them fail, the answers (about 1 KiB of the kernel's memory) find room. */
const BATCH = 128;

/** A request of a batch that the kernel refused. */
export interface BatchFailure {
  readonly index: number;
  readonly error: NetlinkError;
}

/** Shared by all sockets: everything received is decoded before the next receive. The kernel sends at most 32 KiB. */
let receiveBuffer: Uint8Array | undefined;

/** Builds the request; called again when a dump has to be repeated. */
export type Request = () => MessageWriter;

/**
 * A netlink socket that asks one question at a time, besides those that {@link changeAside} leaves to other threads. Bodies handed
 * to callers are valid until the next question.
 */
export class NetlinkSocket implements Disposable {
  readonly #fd: OwnedFd;
  /** Who waits for the acknowledgement of what another thread has asked, by sequence number. */
  readonly #aside = new Map<number, (acknowledgement: Message) => void>();
  #underWay = 0;
  #closing = false;
  #sequence = 0;

  private constructor(fd: OwnedFd) {
    this.#fd = fd;
  }

  /** Opens a socket of the netlink `protocol` in `ns`, or where the thread is. */
  static open(protocol: number, ns?: NetnsHandle): NetlinkSocket {
    const open = (): OwnedFd => openSocket(AF_NETLINK, SOCK_RAW, protocol);
    const fd = ns === undefined ? open() : runInNetns(ns, open);
    try {
      for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
        setSocketOption(fd.fd, SOL_NETLINK, option, 1);
      }
      // The kernel answers within send; the limit only keeps a surprise from blocking the process for good.
      setSocketOption(fd.fd, SOL_SOCKET, SO_RCVTIMEO, timeval(RECEIVE_TIMEOUT_SECONDS));
      bindSocket(fd.fd, netlinkAddress());
    } catch (error) {
      fd.close();
      throw error;
    }
    return new NetlinkSocket(fd);
  }

  /** A request that is answered by an acknowledgement; the writer has NLM_F_ACK. */
  change(message: MessageWriter, action: string): void {
    this.#exchange(message, action, () => false);
  }

  /**
   * Many independent requests, in as few system calls as the kernel's answers allow. The writers have no NLM_F_ACK: the
   * kernel tells of failures alone, which are returned, each with the index of its request. All others were done.
   */
  changeAll(messages: readonly MessageWriter[], action: string): readonly BatchFailure[] {
    const failures: BatchFailure[] = [];
    for (let at = 0; at < messages.length; at += BATCH) {
      const chunk = messages.slice(at, at + BATCH);
      for (const { index, error } of this.#exchangeAll(chunk, action)) failures.push({ index: at + index, error });
    }
    return failures;
  }

  /** {@link change} in a thread of libuv's pool, for what the kernel takes long over. The socket can be used meanwhile. */
  changeAside(message: MessageWriter, action: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sequence = this.#nextSequence();
    this.#aside.set(sequence, (acknowledgement) => {
      const failure = failureIn(acknowledgement, action);
      if (failure === undefined) resolve();
      else reject(failure);
    });
    this.#underWay += 1;
    sendDatagramAside(this.#fd.fd, message.finish(sequence), (taken) => {
      try {
        // It lies in the socket, unless a question asked meanwhile has come upon it.
        while (taken && this.#aside.has(sequence)) this.#hear(readMessages(this.#receive(action)));
        if (!taken) throw new SystemError('EIO', { syscall: 'send', action });
      } catch (error) {
        this.#aside.delete(sequence);
        reject(error);
      }
      this.#underWay -= 1;
      if (this.#closing) this.close();
    });
    return promise;
  }

  /** A request that is answered by one message; the writer does not have NLM_F_ACK, whose answer would stay behind. */
  get<T>(message: MessageWriter, action: string, decode: (reply: Message) => T): T {
    let result: { value: T } | undefined;
    this.#exchange(message, action, (reply) => {
      result = { value: decode(reply) };
      return true;
    });
    if (result === undefined) throw internal('netlink_no_reply', `cannot ${action}: the kernel gave no answer`);
    return result.value;
  }

  /** {@link get} of what may not be there: undefined when the kernel answers with `absent`, which costs no error then. */
  find<T>(
    message: MessageWriter,
    what: { action: string; absent: string },
    decode: (reply: Message) => T,
  ): T | undefined {
    let result: T | undefined;
    this.#exchange(
      message,
      what.action,
      (reply) => {
        result = decode(reply);
        return true;
      },
      what.absent,
    );
    return result;
  }

  /** A request for everything. Repeated when the kernel says that it changed meanwhile. */
  dump<T>(request: Request, action: string, decode: (reply: Message) => T | undefined): T[] {
    for (let attempt = 1; ; attempt += 1) {
      const found: T[] = [];
      let torn = false;
      const flags = this.#exchange(request(), action, (reply) => {
        if ((reply.flags & NLM_F_DUMP_INTR) !== 0) torn = true;
        const value = decode(reply);
        if (value !== undefined) found.push(value);
        return false;
      });
      if ((flags & NLM_F_DUMP_INTR) !== 0) torn = true;
      if (!torn || attempt === DUMP_ATTEMPTS) return found;
    }
  }

  /** Once no other thread uses it. */
  close(): void {
    this.#closing = true;
    if (this.#underWay === 0) this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Sends, then receives until an acknowledgement, the end of the dump, or `onMessage` says that it has enough. Returns
   * the flags of the last message. `absent`: a refusal that is an answer.
   */
  #exchange(message: MessageWriter, action: string, onMessage: (reply: Message) => boolean, absent?: string): number {
    const sequence = this.#nextSequence();
    sendDatagram(this.#fd.fd, message.finish(sequence));
    for (;;) {
      for (const reply of readMessages(this.#receive(action))) {
        if (reply.sequence !== sequence) this.#hear([reply]);
        // Or a stale answer to a question that failed half-way.
        if (reply.sequence !== sequence || reply.type === NLMSG_NOOP) continue;
        if (reply.type === NLMSG_ERROR || reply.type === NLMSG_DONE) {
          if (absent !== undefined && refusalIn(reply) === absent) return reply.flags;
          const failure = failureIn(reply, action);
          if (failure !== undefined) throw failure;
          return reply.flags;
        }
        if (onMessage(reply)) return reply.flags;
      }
    }
  }

  /** The last is acknowledged in any case, and says that all were read. */
  #exchangeAll(messages: readonly MessageWriter[], action: string): readonly BatchFailure[] {
    const first = (this.#sequence + 1) >>> 0;
    const parts = messages.map((message, index) => {
      if (index === messages.length - 1) message.wantAcknowledgement();
      return message.finish((first + index) >>> 0);
    });
    this.#sequence = (first + messages.length - 1) >>> 0;
    sendDatagram(this.#fd.fd, Buffer.concat(parts));
    const failures: BatchFailure[] = [];
    for (;;) {
      for (const reply of readMessages(this.#receive(action))) {
        const index = (reply.sequence - first) >>> 0;
        if (index >= messages.length) this.#hear([reply]);
        if (index >= messages.length || reply.type !== NLMSG_ERROR) continue;
        const error = failureIn(reply, action);
        if (error !== undefined) failures.push({ index, error });
        if (index === messages.length - 1) return failures;
      }
    }
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  /** Passes acknowledgements on to those who wait for them; there is nothing else to be heard. */
  #hear(replies: Iterable<Message>): void {
    for (const reply of replies) {
      const waiting = this.#aside.get(reply.sequence);
      if (waiting === undefined || reply.type !== NLMSG_ERROR) continue;
      this.#aside.delete(reply.sequence);
      waiting(reply);
    }
  }

  #receive(action: string): Uint8Array {
    receiveBuffer ??= new Uint8Array(64 * 1024);
    const length = receiveDatagram(this.#fd.fd, receiveBuffer, MSG_TRUNC);
    if (length === undefined) throw new SystemError('ETIMEDOUT', { syscall: 'recv', action });
    if (length > receiveBuffer.length) throw new SystemError('EMSGSIZE', { syscall: 'recv', action });
    return receiveBuffer.subarray(0, length);
  }
}

/** struct timeval on 64-bit machines. */
function timeval(seconds: number): Uint8Array {
  return new Uint8Array(BigInt64Array.of(BigInt(seconds), 0n).buffer);
}
