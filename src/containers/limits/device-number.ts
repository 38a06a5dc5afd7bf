/** The two halves of a device's number, as glibc packs them. */
export function deviceNumber(device: number): { major: number; minor: number } {
  const value = BigInt(device);
  return {
    major: Number(((value >> 8n) & 0xfffn) | ((value >> 32n) & ~0xfffn)),
    minor: Number((value & 0xffn) | ((value >> 12n) & 0xffffff00n)),
  };
}
