/** Docker's framing of several streams on one connection: one byte which, three zero, four length, payload. */
export const STREAM_STDOUT = 1;
export const STREAM_STDERR = 2;

export function frameHeader(stream: number, length: number): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(length, 4);
  return header;
}

export function frame(stream: number, payload: Uint8Array): Buffer {
  return Buffer.concat([frameHeader(stream, payload.length), payload]);
}
