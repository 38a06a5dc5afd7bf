import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  advertisementFrame,
  arpFrame,
  BROADCAST,
  redirectFrame,
  routerFrame,
  tagged,
  udpFrame,
} from '../support/frames.ts';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

/** Sends what comes as lines of hexadecimal digits, out of eth0, as it is. */
const SEND = `import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for line in sys.stdin: s.send(bytes.fromhex(line.strip()))`;
/** Says which tags arrive at eth0, until it is <end>. */
const SNIFF = `import re, socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0))
print("ready", flush=True)
while True:
    frame, (_, _, kind, _, _) = s.recvfrom(65535)
    found = re.search(rb"<[a-z0-9 ]+>", frame) if kind != 4 else None
    if found:
        print(found.group().decode(), flush=True)
        if found.group() == b"<end>": break`;

/** One on the network: its namespace and what belongs to it. */
interface Member {
  readonly name: string;
  readonly id: string;
  readonly path: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocal: string;
}

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const words = (line: string): string[] => line.split(' ');
const docker = (line: string): Promise<string> => engine.docker(...words(line));

async function member(name: string, network: string, flags = ''): Promise<Member> {
  const id = await docker(`run -d --name ${name} --network ${network} ${flags}busybox sleep 600`);
  const format =
    '{{.NetworkSettings.SandboxKey}} {{range .NetworkSettings.Networks}}{{.MacAddress}} {{.IPAddress}} {{.GlobalIPv6Address}}{{end}}';
  const [path = '', mac = '', ipv4 = '', ipv6 = ''] = (await engine.docker('inspect', '-f', format, name)).split(' ');
  const addresses = await docker(`exec ${name} ip -6 addr show dev eth0 scope link`);
  const linkLocal = /inet6 (fe80[^/]*)/.exec(addresses)?.[1] ?? '';
  return { name, id, path, mac, ipv4, ipv6, linkLocal };
}

const within = (who: Member, command: readonly string[], input = '') =>
  engine.host.ok(['nsenter', `--net=${who.path}`, '--', ...command], { input });

const send = (who: Member, ...frames: readonly Buffer[]): Promise<string> =>
  within(who, ['/usr/bin/python3', '-c', SEND], frames.map((frame) => `${frame.toString('hex')}\n`).join(''));

async function dropped(network: string, who: Member): Promise<number> {
  const shown = JSON.parse(await engine.fairway('network', 'inspect', '--verbose', network)) as {
    Containers: Record<string, { SpoofedFrames?: number }>;
  }[];
  return shown[0]?.Containers[who.id]?.SpoofedFrames ?? Number.NaN;
}

const neighbour = async (who: Member, ip: string): Promise<string> =>
  /lladdr (\S+)/.exec(await within(who, ['ip', 'neigh', 'show', ip, 'dev', 'eth0']))?.[1] ?? '';

/** Which of the frames that `attack` sends arrive at `victim`, in order; `last` must arrive. */
async function arriving(victim: Member, attack: () => Promise<unknown>): Promise<string[]> {
  const sniffer = within(victim, ['timeout', '60', '/usr/bin/python3', '-c', SNIFF]);
  // Its socket is there before anything is sent: the kernel lists packet sockets.
  await eventually(async () => assert.match(await within(victim, ['cat', '/proc/net/packet']), /\n.*\b0003\b/));
  await attack();
  return (await sniffer).split('\n').filter((line) => line !== 'ready');
}

const EVIL_MAC = '02:00:00:00:66:66';

/** Everything that is not the attacker's own, in one breath. */
function lies(attacker: Member, victim: Member, peer: Member): Record<string, Buffer> {
  const ends = { from: attacker.mac, to: victim.mac };
  const four = { source: attacker.ipv4, destination: victim.ipv4 };
  const six = { source: attacker.ipv6, destination: victim.ipv6 };
  const reply = { operation: 'reply', target: victim.ipv4 } as const;
  const advertised = { ...six, target: peer.ipv6, owner: attacker.mac };
  const gateway = attacker.ipv4.replace(/\d+$/, '1');
  const frames = {
    'mac four': (tag: string) => udpFrame({ ...ends, ...four, from: EVIL_MAC, tag }),
    'mac six': (tag: string) => udpFrame({ ...ends, ...six, from: EVIL_MAC, tag }),
    'ipv4 of a neighbour': (tag: string) => udpFrame({ ...ends, ...four, source: peer.ipv4, tag }),
    'ipv4 of the gateway': (tag: string) => udpFrame({ ...ends, ...four, source: gateway, tag }),
    'ipv4 of nobody': (tag: string) => udpFrame({ ...ends, ...four, source: '0.0.0.0', tag }),
    'ipv4 in vlan 0': (tag: string) => tagged(udpFrame({ ...ends, ...four, source: peer.ipv4, tag }), 1),
    'ipv4 in two vlans': (tag: string) => tagged(udpFrame({ ...ends, ...four, source: peer.ipv4, tag }), 2),
    'ipv6 of a neighbour': (tag: string) => udpFrame({ ...ends, ...six, source: peer.ipv6, tag }),
    'ipv6 of a link': (tag: string) => udpFrame({ ...ends, ...six, source: peer.linkLocal, tag }),
    'ipv6 of nobody': (tag: string) => udpFrame({ ...ends, ...six, source: '::', tag }),
    'arp reply': (tag: string) => arpFrame({ ...ends, ...reply, sender: peer.ipv4, owner: attacker.mac, tag }),
    'arp reply with another mac': (tag: string) =>
      arpFrame({ ...ends, ...reply, sender: attacker.ipv4, owner: EVIL_MAC, tag }),
    'arp request': (tag: string) =>
      arpFrame({
        ...ends,
        to: BROADCAST,
        operation: 'request',
        sender: peer.ipv4,
        owner: attacker.mac,
        target: victim.ipv4,
        tag,
      }),
    na: (tag: string) => advertisementFrame({ ...ends, ...advertised, tag }),
    'na with another mac': (tag: string) =>
      advertisementFrame({ ...ends, ...advertised, target: attacker.ipv6, owner: EVIL_MAC, tag }),
    ra: (tag: string) =>
      routerFrame({ ...ends, to: '33:33:00:00:00:01', source: attacker.linkLocal, destination: 'ff02::1', tag }),
    redirect: (tag: string) => redirectFrame({ ...ends, ...six, source: attacker.linkLocal, target: peer.ipv6, tag }),
  };
  return Object.fromEntries(Object.entries(frames).map(([name, make]) => [name, make(`<${name}>`)]));
}

function truths(attacker: Member, victim: Member): Record<string, Buffer> {
  const ends = { from: attacker.mac, to: victim.mac };
  const four = { source: attacker.ipv4, destination: victim.ipv4 };
  const six = { source: attacker.ipv6, destination: victim.ipv6 };
  return {
    own4: udpFrame({ ...ends, ...four, tag: '<own4>' }),
    own6: udpFrame({ ...ends, ...six, tag: '<own6>' }),
    link6: udpFrame({ ...ends, ...six, source: attacker.linkLocal, tag: '<link6>' }),
    given4: udpFrame({ ...ends, ...four, source: '169.254.10.10', tag: '<given4>' }),
    arp: arpFrame({
      ...ends,
      ...{ operation: 'reply', sender: attacker.ipv4, owner: attacker.mac, target: victim.ipv4, tag: '<arp>' },
    }),
    na: advertisementFrame({ ...ends, ...six, target: attacker.ipv6, owner: attacker.mac, tag: '<own na>' }),
    end: udpFrame({ ...ends, ...four, tag: '<end>' }),
  };
}

/** How a network of each kind is made. */
const KINDS = {
  bridge: '--ipv6 --subnet 172.30.66.0/24 --subnet fd00:66::/64',
  transparent:
    '-d transparent -o parent=eth0 --ipv6 --subnet 10.99.0.0/24 --ip-range 10.99.0.64/26 --subnet fd99::/64 --ip-range fd99::4000/114',
};

for (const [driver, flags] of Object.entries(KINDS)) {
  describe(`what a container with CAP_NET_RAW can send on a ${driver} network`, { timeout: 240_000 }, () => {
    for (const checked of [true, false]) {
      test(
        checked ? 'is its own alone, and the rest is counted' : 'is anything where the network says so',
        async () => {
          const option = checked ? '' : '-o com.fairway.anti_spoofing=false ';
          await docker(`network create ${option}${flags} lair`);
          const attacker = await member('attacker', 'lair', '--link-local-ip 169.254.10.10 --cap-add NET_ADMIN ');
          const victim = await member('victim', 'lair');
          const peer = await member('peer', 'lair');
          for (const ip of [peer.ipv4, peer.ipv6]) await docker(`exec victim ping -c 1 ${ip}`);
          assert.deepEqual(
            [await neighbour(victim, peer.ipv4), await neighbour(victim, peer.ipv6)],
            [peer.mac, peer.mac],
          );
          const before = await dropped('lair', attacker);
          const bad = lies(attacker, victim, peer);
          const good = truths(attacker, victim);
          const seen = await arriving(victim, () => send(attacker, ...Object.values(bad), ...Object.values(good)));
          const truthful = ['<own4>', '<own6>', '<link6>', '<given4>', '<arp>', '<own na>', '<end>'];
          if (checked) {
            assert.deepEqual(seen, truthful);
            assert.equal((await dropped('lair', attacker)) - before, Object.keys(bad).length);
            assert.equal(await dropped('lair', victim), 0);
            assert.deepEqual(
              [await neighbour(victim, peer.ipv4), await neighbour(victim, peer.ipv6)],
              [peer.mac, peer.mac],
            );
          } else {
            assert.deepEqual(seen, [...Object.keys(bad).map((name) => `<${name}>`), ...truthful]);
            // The neighbour believes it: so what was dropped above would have done harm.
            const poison = [bad['arp reply'], bad.na].filter((frame) => frame !== undefined);
            await eventually(async () => {
              await send(attacker, ...poison);
              assert.equal(await neighbour(victim, peer.ipv4), attacker.mac);
              assert.equal(await neighbour(victim, peer.ipv6), attacker.mac);
            });
            assert.ok(Number.isNaN(await dropped('lair', attacker)));
          }
          await docker('rm -f attacker victim peer');
          await docker('network rm lair');
          await assertUnchanged(engine.host, clean);
        },
      );
    }
  });
}
