import type { Port } from '../../client/index.ts';

interface Run {
  readonly ip: string;
  readonly type: string;
  readonly first: number;
  last: number;
}

/** `0.0.0.0:8080->80/tcp, 90-92/udp`: neighbours with the same number on both sides are drawn together. */
export function portsText(ports: readonly Port[]): string {
  const open = new Map<string, Run>();
  const closed: Run[] = [];
  const mapped: string[] = [];
  for (const port of [...ports].sort(compare)) {
    const ip = port.IP ?? '';
    if (ip !== '' && port.PublicPort !== port.PrivatePort) {
      mapped.push(`${bracketed(ip)}:${port.PublicPort ?? 0}->${port.PrivatePort}/${port.Type}`);
      continue;
    }
    const key = `${ip}/${port.Type}`;
    const run = open.get(key);
    if (run !== undefined && port.PrivatePort === run.last + 1) {
      run.last = port.PrivatePort;
      continue;
    }
    if (run !== undefined) closed.push(run);
    open.set(key, { ip, type: port.Type, first: port.PrivatePort, last: port.PrivatePort });
  }
  return [...[...closed, ...open.values()].map(runText), ...mapped].join(', ');
}

function runText(run: Run): string {
  const range = run.first === run.last ? String(run.first) : `${run.first}-${run.last}`;
  return `${run.ip === '' ? '' : `${bracketed(run.ip)}:${range}->`}${range}/${run.type}`;
}

function compare(a: Port, b: Port): number {
  if (a.PrivatePort !== b.PrivatePort) return a.PrivatePort - b.PrivatePort;
  const [ipA, ipB] = [a.IP ?? '', b.IP ?? ''];
  if (ipA !== ipB) return ipA < ipB ? -1 : 1;
  if (a.PublicPort !== b.PublicPort) return (a.PublicPort ?? 0) - (b.PublicPort ?? 0);
  return a.Type < b.Type ? -1 : Number(a.Type > b.Type);
}

function bracketed(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip;
}
