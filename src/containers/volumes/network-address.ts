import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { invalid, messageOf } from '../../base/index.ts';
import type { VolumeMount } from './mount-options.ts';

/** Name → address; of the host's own resolver. Throws when there is none. */
export type ResolveName = (name: string) => Promise<string>;

export const resolveByHost: ResolveName = async (name) => (await lookup(name)).address;

const REMOTE = new Set(['nfs', 'cifs']);

/**
 * The kernel mounts from addresses alone, so names in `addr=` of nfs and cifs, and of cifs in the device, are looked up: at
 * each mount, as a server may move. Throws with Docker's text.
 */
export async function withAddress(mount: VolumeMount, resolve: ResolveName): Promise<VolumeMount> {
  if (mount.type === undefined || !REMOTE.has(mount.type)) return mount;
  const options = mount.data?.split(',') ?? [];
  const at = options.findIndex((option) => option.startsWith('addr='));
  if (at >= 0) {
    const name = options[at]?.slice('addr='.length) ?? '';
    if (name === '' || isIP(name) !== 0) return mount;
    const address = await addressOf(name, resolve);
    return { ...mount, data: options.with(at, `addr=${address}`).join(',') };
  }
  const [, start = '', host = '', path = ''] = /^((?:cifs:|smb:)?\/\/)([^/]+)(.*)$/i.exec(mount.source) ?? [];
  if (mount.type !== 'cifs' || host === '' || isIP(host) !== 0) return mount;
  return { ...mount, source: `${start}${await addressOf(host, resolve)}${path}` };
}

async function addressOf(name: string, resolve: ResolveName): Promise<string> {
  try {
    return await resolve(name);
  } catch (error) {
    throw invalid(
      'volume_address_unknown',
      `error resolving passed in network volume address: lookup ${name}: ${messageOf(error)}`,
      error,
    );
  }
}
