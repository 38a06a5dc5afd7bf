import type { Stats } from 'node:fs';

/** Go's os.FileMode bits, as Docker's headers carry them. */
export function goFileMode(stat: Pick<Stats, 'mode'>): number {
  const { mode } = stat;
  let bits = mode & 0o777;
  const bit = (shift: number): void => {
    bits = (bits | (1 << shift)) >>> 0;
  };
  switch (mode & 0o170000) {
    case 0o040000:
      bit(31);
      break;
    case 0o120000:
      bit(27);
      break;
    case 0o060000:
      bit(26);
      break;
    case 0o020000:
      bit(26);
      bit(21);
      break;
    case 0o010000:
      bit(25);
      break;
    case 0o140000:
      bit(24);
      break;
  }
  if (mode & 0o4000) bit(23);
  if (mode & 0o2000) bit(22);
  if (mode & 0o1000) bit(20);
  return bits;
}
