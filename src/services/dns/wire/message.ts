// The part of RFC 1035 and RFC 6891 that a resolver for names and addresses needs, on plain buffers.

export const TYPE = { A: 1, NS: 2, SOA: 6, PTR: 12, AAAA: 28, OPT: 41, ANY: 255 } as const;
export const CLASS = { IN: 1, ANY: 255 } as const;
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;

export const FLAG = {
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authenticData: 0x0020,
  checkingDisabled: 0x0010,
  rcode: 0x000f,
} as const;

export const HEADER_SIZE = 12;
export const MAX_NAME_SIZE = 255;
const MAX_LABEL_SIZE = 63;
/** What a client without EDNS can take over UDP. */
const PLAIN_UDP_SIZE = 512;
/** Over loopback there is no fragment to lose; more than this nobody asks for. */
const MAX_UDP_SIZE = 4096;

/** A well-formed query with one question. Offsets are into the packet it came from. */
export interface Query {
  readonly flags: number;
  /** Where the question section ends. */
  readonly questionEnd: number;
  /** The question with its name in lower case, one character a byte: equal exactly for equal questions. */
  readonly key: string;
  readonly type: number;
  readonly class: number;
  readonly edns: boolean;
  readonly ednsVersion: number;
  /** Wants DNSSEC's records too. */
  readonly dnssecOk: boolean;
  /** Carries options (a cookie, the client's subnet): its answer is for this client alone. */
  readonly ednsOptions: boolean;
  /** The largest UDP answer the client takes. */
  readonly udpSize: number;
}

export type Transport = 'udp' | 'tcp';

const TCP_LIMIT = 65_535;

/** The largest answer the client takes that way, in bytes. */
export function limitOf(query: Query, transport: Transport): number {
  return transport === 'udp' ? query.udpSize : TCP_LIMIT;
}

/** Why a packet is not a {@link Query}: an error code to answer with, or `ignored` (too short, or itself an answer). */
export type BadQuery = number | 'ignored';

export function parseQuery(packet: Buffer): Query | BadQuery {
  if (packet.length < HEADER_SIZE) return 'ignored';
  const flags = packet.readUInt16BE(2);
  if ((flags & FLAG.response) !== 0) return 'ignored';
  if ((flags & FLAG.opcode) !== 0) return RCODE.NOTIMP;
  if (packet.readUInt16BE(4) !== 1) return RCODE.FORMERR;
  const nameEnd = endOfPlainName(packet, HEADER_SIZE);
  const questionEnd = nameEnd + 4;
  if (nameEnd < 0 || questionEnd > packet.length) return RCODE.FORMERR;
  const edns = packet.length === questionEnd ? undefined : findOpt(packet, questionEnd);
  if (edns === 'malformed') return RCODE.FORMERR;
  return {
    flags,
    questionEnd,
    key: questionKey(packet, nameEnd),
    type: packet.readUInt16BE(nameEnd),
    class: packet.readUInt16BE(nameEnd + 2),
    edns: edns !== undefined,
    ednsVersion: edns?.version ?? 0,
    dnssecOk: edns?.dnssecOk ?? false,
    ednsOptions: edns?.options ?? false,
    udpSize: Math.min(Math.max(edns?.size ?? 0, PLAIN_UDP_SIZE), MAX_UDP_SIZE),
  };
}

/** Labels of a name in wire form, as in {@link Query.key}; a dot inside a label is written `\.`, as in zone files. */
export function nameOfKey(key: string): string {
  const labels: string[] = [];
  for (let at = 0; ; ) {
    const length = key.charCodeAt(at);
    if (!(length > 0)) return labels.join('.');
    labels.push(key.slice(at + 1, at + 1 + length).replaceAll('.', '\\.'));
    at += length + 1;
  }
}

/** Lower case of ASCII letters only, bytes as characters: the form in which names are compared. */
export function comparable(name: string): string {
  return lowerAscii(Buffer.from(name).toString('latin1'));
}

/** The wire form of a name, or undefined when it cannot be one. */
export function encodeName(name: string): Buffer | undefined {
  const labels = name
    .replace(/\.$/, '')
    .split('.')
    .map((label) => Buffer.from(label));
  if (labels.some(({ length }) => length === 0 || length > MAX_LABEL_SIZE)) return undefined;
  const wire = Buffer.concat([...labels.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0)]);
  return wire.length <= MAX_NAME_SIZE ? wire : undefined;
}

/** Whether `response` answers exactly the question of `query`, under its id; `'empty'`: it repeats no question (an error). */
export function answersQuestion(response: Buffer, query: Buffer, questionEnd: number): boolean | 'empty' {
  if (response.length < HEADER_SIZE || response.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  return repeatsQuestion(response, query, questionEnd);
}

/** {@link answersQuestion} under whatever id. `response` has a header at least. */
export function repeatsQuestion(response: Buffer, query: Buffer, questionEnd: number): boolean | 'empty' {
  if ((response.readUInt16BE(2) & (FLAG.response | FLAG.opcode)) !== FLAG.response) return false;
  const questions = response.readUInt16BE(4);
  if (questions === 0) return 'empty';
  if (questions !== 1 || response.length < questionEnd) return false;
  // Most servers repeat it letter for letter.
  if (query.compare(response, HEADER_SIZE, questionEnd, HEADER_SIZE, questionEnd) === 0) return true;
  return questionKey(response, questionEnd - 4) === questionKey(query, questionEnd - 4);
}

function questionKey(packet: Buffer, nameEnd: number): string {
  // Length bytes are at most 63, so lower case cannot change them; the type after the name could be a letter.
  return lowerAscii(packet.toString('latin1', HEADER_SIZE, nameEnd)) + packet.toString('latin1', nameEnd, nameEnd + 4);
}

function lowerAscii(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}

/** The offset after an uncompressed name; -1: malformed. */
function endOfPlainName(packet: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const length = packet[at];
    if (length === undefined || length > MAX_LABEL_SIZE) return -1;
    at += length + 1;
    if (at - start > MAX_NAME_SIZE || at > packet.length) return -1;
    if (length === 0) return at;
  }
}

/** The offset after any name, compressed or not; -1: malformed. */
export function endOfName(packet: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const length = packet[at];
    if (length === undefined) return -1;
    if (length >= 0xc0) return at + 2;
    if (length > MAX_LABEL_SIZE) return -1;
    at += length + 1;
    if (length === 0) return at;
  }
}

interface Opt {
  readonly size: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  readonly options: boolean;
}

function findOpt(packet: Buffer, start: number): Opt | 'malformed' | undefined {
  const before = packet.readUInt16BE(6) + packet.readUInt16BE(8);
  const count = before + packet.readUInt16BE(10);
  let opt: Opt | undefined;
  let at = start;
  for (let index = 0; index < count; index += 1) {
    const fixed = endOfName(packet, at);
    if (fixed < 0 || fixed + 10 > packet.length) return 'malformed';
    if (packet.readUInt16BE(fixed) === TYPE.OPT) {
      // In the additional section, at the root, once.
      if (index < before || fixed !== at + 1 || opt !== undefined) return 'malformed';
      opt = {
        size: packet.readUInt16BE(fixed + 2),
        version: packet[fixed + 5] ?? 0,
        dnssecOk: ((packet[fixed + 6] ?? 0) & 0x80) !== 0,
        options: packet.readUInt16BE(fixed + 8) > 0,
      };
    }
    at = fixed + 10 + packet.readUInt16BE(fixed + 8);
    if (at > packet.length) return 'malformed';
  }
  return opt;
}
