import type { EndpointConfig } from '../../../client/index.ts';
import { type Command, commas, type Flags, integer, list, text } from '../../grammar/index.ts';
import { checkLink, parsePairs } from '../../values/index.ts';

export const connect: Command = {
  usage: '[OPTIONS] NETWORK CONTAINER',
  args: { min: 2, max: 2 },
  flags: [
    commas('alias', 'Add network-scoped alias for the container'),
    commas('driver-opt', 'driver options for the network'),
    integer('gw-priority', 'Highest gw-priority provides the default gateway. Accepts positive and negative values.'),
    text('ip', 'IPv4 address (e.g., "172.30.100.104")'),
    text('ip6', 'IPv6 address (e.g., "2001:db8::33")'),
    list('link', 'Add link to another container', { check: checkLink, completes: 'containers' }),
    commas('link-local-ip', 'Add a link-local address for the container'),
  ],
  completes: ['networks', 'containers'],
  async run(context, flags, [network = '', container = '']) {
    await context.client.networks.connect(network, container, endpointConfig(flags));
    return 0;
  },
};

function endpointConfig(flags: Flags): EndpointConfig {
  const [ip, ip6, locals] = [flags.text('ip'), flags.text('ip6'), flags.list('link-local-ip')];
  const priority = flags.integer('gw-priority');
  return {
    IPAMConfig: {
      ...(ip === '' ? {} : { IPv4Address: ip }),
      ...(ip6 === '' ? {} : { IPv6Address: ip6 }),
      ...(locals.length === 0 ? {} : { LinkLocalIPs: locals }),
    },
    Links: flags.list('link'),
    Aliases: flags.list('alias'),
    DriverOpts: parsePairs(flags.list('driver-opt')),
    ...(priority === undefined ? {} : { GwPriority: priority }),
  };
}
