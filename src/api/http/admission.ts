import type { Socket } from 'node:net';

/**
 * Old clients take a connection over without an Upgrade header, and what they send after the request is the
 * container's, not HTTP. The parser cannot know that, so the first request of every connection is looked at before the
 * parser sees it, and such a one is given the header it lacks. Everything after that is the ordinary way of an upgrade.
 */
const TAKES_OVER =
  /^POST (?:\/v[\d.]+)?\/(?:containers\/[^/ ]+\/attach|exec\/[^/ ]+\/start)(?:\?[^ ]*)? HTTP\/1\.1\r\n/;
const MIGHT_TAKE_OVER = /^POST (?:\/v[\d.]+)?\/(?:containers|exec)\//;
const HEAD_END = '\r\n\r\n';
const HEAD_LIMIT = 64 * 1024;

/** Looks at the first bytes of a connection, puts them back (perhaps with the header) and calls `admit`. */
export function admitAfterLook(socket: Socket, admit: (raw: boolean) => void): void {
  const seen: Buffer[] = [];
  let size = 0;
  const done = (raw: boolean, bytes: Buffer): void => {
    socket.off('readable', look);
    socket.off('end', atEnd);
    socket.off('error', ignore);
    if (bytes.length > 0) socket.unshift(bytes);
    admit(raw);
  };
  const ignore = (): void => {};
  // It ended before a whole request came.
  const atEnd = (): void => {
    socket.destroy();
  };
  const look = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen.push(chunk);
    size += chunk.length;
    const bytes = seen.length === 1 ? chunk : Buffer.concat(seen);
    const verdict = judge(bytes.toString('latin1', 0, Math.min(bytes.length, HEAD_LIMIT)), size);
    if (verdict === 'more') return;
    done(verdict === 'raw', verdict === 'raw' ? withUpgrade(bytes) : bytes);
  };
  socket.on('readable', look);
  socket.on('end', atEnd);
  socket.on('error', ignore);
}

function judge(text: string, size: number): 'more' | 'raw' | 'plain' {
  const end = text.indexOf(HEAD_END);
  if (end < 0) {
    const open = 'POST /'.startsWith(text.slice(0, 6)) && (text.indexOf('\r\n') < 0 || MIGHT_TAKE_OVER.test(text));
    return open && size < HEAD_LIMIT ? 'more' : 'plain';
  }
  const head = text.slice(0, end + 2);
  return TAKES_OVER.test(head) && !/\r\nupgrade:/i.test(head) ? 'raw' : 'plain';
}

function withUpgrade(bytes: Buffer): Buffer {
  const end = bytes.indexOf(HEAD_END);
  const line = bytes.indexOf('\r\n') + 2;
  const headers = bytes.toString('latin1', line, end + 2).replace(/^connection:.*\r\n/gim, '');
  return Buffer.concat([
    bytes.subarray(0, line),
    Buffer.from(`${headers}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n`, 'latin1'),
    bytes.subarray(end + HEAD_END.length),
  ]);
}
