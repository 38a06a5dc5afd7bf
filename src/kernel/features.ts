import { existsSync } from 'node:fs';
import { parseIp, UnsupportedError } from '../base/index.ts';
import { listFlows } from './conntrack.ts';
import { isErrno } from './ffi/index.ts';
import { Rtnl } from './netlink/index.ts';
import { runInNewNetns } from './netns/index.ts';
import { Nft } from './nftables/index.ts';
import { Xfrm } from './xfrm/index.ts';

/** What a kernel may have been built without. */
export type Feature =
  | 'bridge'
  | 'veth'
  | 'macvlan'
  | 'ipvlan'
  | 'vlan8021q'
  | 'dummy'
  | 'vxlan'
  | 'vrf'
  | 'nftables'
  | 'nftablesNat'
  | 'conntrack'
  | 'espGcm'
  | 'esp6Gcm'
  | 'ipv6';

interface Probe {
  /** The option of the kernel's configuration. */
  readonly option: string;
  /** What the user wanted, to follow "cannot". */
  readonly use: string;
  /** Runs in a namespace of its own, which is thrown away; throws when the kernel does not know how. */
  readonly attempt: () => void;
}

const PARENT = 'fwprobe0';

const PROBES: Readonly<Record<Feature, Probe>> = {
  bridge: {
    option: 'CONFIG_BRIDGE',
    use: 'make a bridge',
    attempt: () => withRtnl((rtnl) => rtnl.links.createBridge({ name: 'fwprobe' })),
  },
  veth: {
    option: 'CONFIG_VETH',
    use: 'make a pair of veth links',
    attempt: () => withRtnl((rtnl) => rtnl.links.createVeth({ name: 'fwprobe', peerName: 'fwprobe1' })),
  },
  macvlan: {
    option: 'CONFIG_MACVLAN',
    use: 'make a macvlan link',
    attempt: () =>
      withParent((rtnl, parentIndex) => rtnl.links.createMacvlan({ name: 'fwprobe', parentIndex, mode: 'bridge' })),
  },
  ipvlan: {
    option: 'CONFIG_IPVLAN',
    use: 'make an ipvlan link',
    attempt: () =>
      withParent((rtnl, parentIndex) => rtnl.links.createIpvlan({ name: 'fwprobe', parentIndex, mode: 'l2' })),
  },
  vlan8021q: {
    option: 'CONFIG_VLAN_8021Q',
    use: 'make a VLAN link',
    attempt: () => withParent((rtnl, parentIndex) => rtnl.links.createVlan({ name: 'fwprobe', parentIndex, id: 10 })),
  },
  dummy: {
    option: 'CONFIG_DUMMY',
    use: 'make a dummy link',
    attempt: () => withRtnl((rtnl) => rtnl.links.createDummy({ name: 'fwprobe' })),
  },
  vxlan: {
    option: 'CONFIG_VXLAN',
    use: 'make a VXLAN link',
    attempt: () => withRtnl((rtnl) => rtnl.links.createVxlan({ name: 'fwprobe', vni: 1, port: 4789 })),
  },
  vrf: {
    option: 'CONFIG_NET_VRF',
    use: 'make a VRF link',
    attempt: () => withRtnl((rtnl) => rtnl.links.createVrf({ name: 'fwprobe', table: 10 })),
  },
  nftables: {
    option: 'CONFIG_NF_TABLES_INET',
    use: 'filter packets with nftables',
    attempt: () => runScript('add table inet fwprobe; add chain inet fwprobe c { type filter hook input priority 0; }'),
  },
  nftablesNat: {
    option: 'CONFIG_NFT_NAT',
    use: 'translate addresses with nftables',
    attempt: () =>
      runScript(
        'add table ip fwprobe; add chain ip fwprobe c { type nat hook prerouting priority -100; }; ' +
          'add rule ip fwprobe c dnat to 192.0.2.1',
      ),
  },
  conntrack: {
    option: 'CONFIG_NF_CT_NETLINK',
    use: 'list tracked flows',
    attempt: () => {
      listFlows();
    },
  },
  espGcm: {
    option: 'CONFIG_INET_ESP, CONFIG_XFRM_USER or CONFIG_CRYPTO_GCM',
    use: 'encrypt between hosts (ESP with AES-GCM)',
    attempt: () => addEspState('192.0.2.1', '192.0.2.2'),
  },
  esp6Gcm: {
    option: 'CONFIG_INET6_ESP, CONFIG_XFRM_USER or CONFIG_CRYPTO_GCM',
    use: 'encrypt between hosts over IPv6 (ESP with AES-GCM)',
    attempt: () => addEspState('2001:db8::1', '2001:db8::2'),
  },
  ipv6: {
    option: 'CONFIG_IPV6',
    use: 'use IPv6',
    attempt: () => {
      if (!existsSync('/proc/sys/net/ipv6')) throw new UnsupportedError('no IPv6', 'CONFIG_IPV6');
    },
  },
};

const known = new Map<Feature, UnsupportedError | undefined>();

/** Throws an {@link UnsupportedError} that names the kernel option, when this kernel lacks the feature. Asked once. */
export function requireFeature(feature: Feature): void {
  if (!known.has(feature)) known.set(feature, probe(PROBES[feature]));
  const lacking = known.get(feature);
  if (lacking !== undefined) throw lacking;
}

export function hasFeature(feature: Feature): boolean {
  try {
    requireFeature(feature);
    return true;
  } catch (error) {
    if (error instanceof UnsupportedError) return false;
    throw error;
  }
}

/** Undefined: present. A failure that does not mean "unknown to this kernel" is thrown and not remembered. */
function probe({ option, use, attempt }: Probe): UnsupportedError | undefined {
  try {
    runInNewNetns(attempt);
    return undefined;
  } catch (error) {
    if (!isLacking(error)) throw error;
    return new UnsupportedError(`cannot ${use}: this kernel lacks ${option}`, option, error);
  }
}

function isLacking(error: unknown): boolean {
  if (error instanceof UnsupportedError) return true;
  if (isErrno(error, 'EOPNOTSUPP', 'EPROTONOSUPPORT', 'EAFNOSUPPORT', 'EINVAL', 'ENOSYS')) return true;
  return error instanceof Error && error.name === 'NftError' && !/Operation not permitted/.test(error.message);
}

function withRtnl(work: (rtnl: Rtnl) => void): void {
  using rtnl = Rtnl.open();
  work(rtnl);
}

function withParent(work: (rtnl: Rtnl, parentIndex: number) => void): void {
  withRtnl((rtnl) => work(rtnl, rtnl.links.createVeth({ name: PARENT, peerName: 'fwprobe1' }).index));
}

function addEspState(source: string, destination: string): void {
  using xfrm = Xfrm.open();
  const id = { destination: parseIp(destination), spi: 0x100 };
  xfrm.states.add({ ...id, source: parseIp(source), reqid: 1, key: new Uint8Array(36), replayWindow: 32 });
  xfrm.states.remove(id);
}

function runScript(script: string): void {
  using nft = Nft.open();
  nft.run(script);
}
