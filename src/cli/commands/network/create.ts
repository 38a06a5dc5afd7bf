import { cidrContains, tryParseCidr, tryParseIp } from '../../../base/index.ts';
import type { IpamConfig } from '../../../client/index.ts';
import { bool, type Command, commas, type Flags, list, print, text, warn } from '../../grammar/index.ts';
import { checkPair, parsePairs } from '../../values/index.ts';

const map = { placeholder: 'map', shownDefault: 'map[]', check: checkPair };

export const create: Command = {
  usage: '[OPTIONS] NETWORK',
  args: { min: 1, max: 1 },
  flags: [
    bool('attachable', 'Enable manual container attachment'),
    list('aux-address', 'Auxiliary IPv4 or IPv6 addresses used by Network driver', map),
    text('config-from', 'The network from which to copy the configuration', { completes: 'networks' }),
    bool('config-only', 'Create a configuration only network'),
    text('driver,d', 'Driver to manage the Network', { shownDefault: 'bridge', completes: 'nothing' }),
    commas('gateway', 'IPv4 or IPv6 Gateway for the master subnet'),
    bool('ingress', 'Create swarm routing-mesh network'),
    bool('internal', 'Restrict external access to the network'),
    commas('ip-range', 'Allocate container ip from a sub-range'),
    text('ipam-driver', 'IP Address Management Driver', { shownDefault: 'default' }),
    list('ipam-opt', 'Set IPAM driver specific options', map),
    bool('ipv4', 'Enable or disable IPv4 address assignment', { shownDefault: 'true' }),
    bool('ipv6', 'Enable or disable IPv6 address assignment'),
    list('label', 'Set metadata on a network'),
    list('opt,o', 'Set driver specific options', map),
    text('scope', "Control the network's scope"),
    commas('subnet', 'Subnet in CIDR format that represents a network segment'),
  ],
  completes: ['nothing'],
  async run(context, flags, [name = '']) {
    const from = flags.text('config-from');
    const scope = flags.text('scope');
    const answer = await context.client.networks.create({
      Name: name,
      Driver: flags.text('driver') || 'bridge',
      ...(scope === '' ? {} : { Scope: scope }),
      Internal: flags.bool('internal'),
      Attachable: flags.bool('attachable'),
      Ingress: flags.bool('ingress'),
      ConfigOnly: flags.bool('config-only'),
      ...(from === '' ? {} : { ConfigFrom: { Network: from } }),
      ...(flags.given('ipv4') ? { EnableIPv4: flags.bool('ipv4') } : {}),
      ...(flags.given('ipv6') ? { EnableIPv6: flags.bool('ipv6') } : {}),
      IPAM: {
        Driver: flags.text('ipam-driver') || 'default',
        Options: parsePairs(flags.list('ipam-opt')),
        Config: ipamConfigs(flags),
      },
      Options: parsePairs(flags.list('opt')),
      Labels: parsePairs(flags.list('label')),
    });
    if (answer.Warning) warn(context, `WARNING: ${answer.Warning}`);
    print(context, answer.Id);
    return 0;
  },
};

/** Puts each range, gateway and reserved address to the subnet that holds it. */
function ipamConfigs(flags: Flags): IpamConfig[] {
  const subnets = flags.list('subnet');
  const [ranges, gateways] = [flags.list('ip-range'), flags.list('gateway')];
  const reserved = Object.entries(parsePairs(flags.list('aux-address')));
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw new Error('every ip-range or gateway must have a corresponding subnet');
  }
  const configs: IpamConfig[] = subnets.map((Subnet) => ({ Subnet }));
  const holding = (address: string): IpamConfig | undefined => {
    const ip = tryParseIp(address.split('/')[0] ?? '');
    return configs.find((config) => {
      const cidr = tryParseCidr(config.Subnet ?? '');
      return cidr !== undefined && ip !== undefined && cidrContains(cidr, ip);
    });
  };
  for (const range of ranges) {
    const config = holding(range);
    if (config === undefined) throw new Error(`no matching subnet for range ${range}`);
    if (config.IPRange !== undefined) throw new Error('cannot configure multiple ranges on the same subnet');
    config.IPRange = range;
  }
  for (const gateway of gateways) {
    const config = holding(gateway);
    if (config === undefined) throw new Error(`no matching subnet for gateway ${gateway}`);
    if (config.Gateway !== undefined) throw new Error('cannot configure multiple gateways for the same subnet');
    config.Gateway = gateway;
  }
  for (const [name, address] of reserved) {
    const config = holding(address);
    if (config === undefined) throw new Error(`no matching subnet for aux-address ${address}`);
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
  }
  return configs;
}
