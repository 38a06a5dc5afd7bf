import { invalid } from '../../base/index.ts';
import type { ConfiguredNetwork, ContainerSpec } from '../options.ts';

/** Refuses what cannot go together, with Docker's texts. Touches nothing. */
export function validateNetworking(spec: ContainerSpec, networks: readonly ConfiguredNetwork[]): void {
  const { network, security } = spec;
  const shared = network.mode.startsWith('container:');
  if (shared && network.mode === 'container:') {
    throw invalid('invalid_network_mode', 'invalid network mode: invalid container format container:<name|id>');
  }
  const refuse = (when: boolean, what: string): void => {
    if (when) throw invalid('conflicting_options', `conflicting options: ${what}`);
  };
  const undefinedBehaviour = "can't be used with links. This would result in undefined behavior";
  const hasHostname = network.hostname !== undefined && network.hostname !== '';
  refuse(security.utsMode === 'host' && hasHostname, 'hostname and the UTS mode');
  refuse(shared && hasHostname, 'hostname and the network mode');
  refuse(network.mode === 'host' && network.links.length > 0, `host type networking ${undefinedBehaviour}`);
  refuse(shared && network.links.length > 0, `container type network ${undefinedBehaviour}`);
  refuse(shared && network.dns.length > 0, 'dns and the network mode');
  refuse(shared && network.extraHosts.length > 0, 'custom host-to-IP mapping and the network mode');
  refuse(shared && network.mac !== undefined, 'mac-address and the network mode');
  refuse(
    shared && (network.ports.length > 0 || network.publishAll),
    'port publishing and the container type network mode',
  );
  refuse(shared && network.exposed.length > 0, 'port exposing and the container type network mode');
  const others = networks.filter(({ name }) => name !== network.mode);
  if ((shared || network.mode === 'host') && others.length > 0) {
    throw invalid(
      'network_conflict',
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  if (networks.length > 1 && networks.some(({ name }) => name === 'none')) {
    throw invalid(
      'network_conflict',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
  for (const entry of network.extraHosts) {
    if (!/^[^:=\s]+[:=].+$/.test(entry)) throw invalid('invalid_extra_host', `bad format for add-host: "${entry}"`);
  }
}

/** The configured networks with the mode's own network first; `container:` mode has none. */
export function orderedNetworks(spec: ContainerSpec, networks: readonly ConfiguredNetwork[]): ConfiguredNetwork[] {
  const { mode, disabled } = spec.network;
  if (mode.startsWith('container:')) return [];
  if (disabled) return networks.filter(({ name }) => name === 'none');
  const first = networks.filter(({ name }) => name === mode);
  const rest = networks.filter(({ name }) => name !== mode);
  return first.length > 0 || rest.length > 0 ? [...first, ...rest] : [{ name: mode, request: {} }];
}
