import type { BlockDeviceRate, BlockDeviceWeight } from '../../client/index.ts';
import { parseBytes } from './amounts.ts';

/** `/dev/sda:200` */
export function parseDeviceWeight(text: string): BlockDeviceWeight {
  const { path, amount } = splitDevice(text);
  if (!/^\d+$/.test(amount) || (Number(amount) !== 0 && (Number(amount) < 10 || Number(amount) > 1000))) {
    throw new Error(`invalid weight for device: ${text}`);
  }
  return { Path: path, Weight: Number(amount) };
}

/** `/dev/sda:10mb`, bytes a second. */
export function parseDeviceBytes(text: string): BlockDeviceRate {
  const { path, amount } = splitDevice(text);
  let rate: number;
  try {
    rate = parseBytes(amount);
  } catch (error) {
    throw new Error(`${badRate(text)}. Unit is optional and can be kb, mb, or gb`, { cause: error });
  }
  return { Path: path, Rate: rate };
}

/** `/dev/sda:1000`, operations a second. */
export function parseDeviceCount(text: string): BlockDeviceRate {
  const { path, amount } = splitDevice(text);
  if (!/^\d+$/.test(amount)) throw new Error(badRate(text));
  return { Path: path, Rate: Number(amount) };
}

function badRate(text: string): string {
  return `invalid rate for device: ${text}. The correct format is <device-path>:<number>. Number must be a positive integer`;
}

function splitDevice(text: string): { readonly path: string; readonly amount: string } {
  const colon = text.indexOf(':');
  if (colon < 1) throw new Error(`bad format: ${text}`);
  const path = text.slice(0, colon);
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${text}`);
  return { path, amount: text.slice(colon + 1) };
}
