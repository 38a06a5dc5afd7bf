import { internal } from '../../base/index.ts';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Where ports are chosen from when none is asked for. */
export interface EphemeralPorts extends PortRange {
  readonly reserved: readonly PortRange[];
}

/** The kernel's own choice: `net.ipv4.ip_local_port_range` without `net.ipv4.ip_local_reserved_ports`. */
export function readEphemeralPorts(readSysctl: (key: string) => string): EphemeralPorts {
  const [first, last] = readSysctl('net.ipv4.ip_local_port_range').split(/\s+/).map(Number);
  if (first === undefined || last === undefined || !(first > 0 && last >= first)) {
    throw internal('bad_port_range', `cannot read ip_local_port_range: got "${first} ${last}"`);
  }
  return { first, last, reserved: parseReserved(readSysctl('net.ipv4.ip_local_reserved_ports')) };
}

/** `8080,9000-9100` as the kernel prints it; empty text is none. */
function parseReserved(text: string): PortRange[] {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return { first, last };
    });
}

/** Every port of the range that is not reserved, once, beginning at `start` and wrapping round. */
export function* portsFrom(ports: EphemeralPorts, start: number): Generator<number> {
  const size = ports.last - ports.first + 1;
  const offset = start >= ports.first && start <= ports.last ? start - ports.first : 0;
  for (let step = 0; step < size; step += 1) {
    const port = ports.first + ((offset + step) % size);
    if (!ports.reserved.some(({ first, last }) => port >= first && port <= last)) yield port;
  }
}
