import { invalid } from '../base/index.ts';
import { isLinkName, sysctlPath } from '../kernel/index.ts';
import type { EndpointRequest } from '../model/index.ts';
import { badOption, refuseUnknown } from './option-values.ts';

const SYSCTLS = 'com.docker.network.endpoint.sysctls';
const IFNAME = 'com.docker.network.endpoint.ifname';
const KNOWN = new Set([SYSCTLS, IFNAME]);

export interface EndpointOptions {
  /** Settings of the link, path parts under /proc/sys with the link's name in its place. */
  readonly sysctls: readonly { readonly key: readonly string[]; readonly value: string }[];
}

/** What every driver with a link in the sandbox understands. `ifname` is the name the link will have. */
export function parseEndpointOptions(request: EndpointRequest, ifname: string): EndpointOptions {
  const labels = request.driverOptions ?? {};
  refuseUnknown(labels, KNOWN, ['com.docker.network.endpoint.', 'com.fairway.']);
  if (!isLinkName(ifname)) throw invalid('invalid_ifname', `invalid interface name: ${JSON.stringify(ifname)}`);
  const text = labels[SYSCTLS] ?? '';
  const settings = text.split(',').filter((setting) => setting !== '');
  return { sysctls: settings.map((setting) => parseSetting(setting, ifname)) };
}

/**
 * `net.ipv4.conf.IFNAME.log_martians=1`; IFNAME is a word of its own, only there the link's name may stand. The stock
 * client writes all of it in small letters when it comes by `run --network`.
 */
function parseSetting(setting: string, ifname: string): EndpointOptions['sysctls'][number] {
  const equals = setting.indexOf('=');
  const parts = setting.slice(0, Math.max(equals, 0)).split('.');
  const [net, family = '', group = '', name] = parts;
  const known =
    net === 'net' && ['ipv4', 'ipv6', 'mpls'].includes(family) && group !== '' && name?.toUpperCase() === 'IFNAME';
  if (!known || parts.length < 5) {
    throw badOption(SYSCTLS, setting, 'it must be like net.ipv4.conf.IFNAME.setting=value, of ipv4, ipv6 or mpls');
  }
  const key = ['net', family, group, ifname, ...parts.slice(4)];
  sysctlPath(key);
  return { key, value: setting.slice(equals + 1) };
}
