import { readFileSync } from 'node:fs';
import { invalid } from '../../base/index.ts';

export interface ProcessTable {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}

interface ProcessFacts {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly gid: number;
  readonly command: string;
  readonly name: string;
  readonly state: string;
  readonly tty: string;
  readonly cpuSeconds: number;
  readonly startedAt: number;
  readonly vsizeKb: number;
  readonly rssKb: number;
  readonly nice: number;
  readonly threads: number;
}

/** USER_HZ, which is 100 on every architecture that Linux tells user space about. */
const TICKS = 100;

type Column = readonly [title: string, value: (facts: ProcessFacts, host: Host) => string];

const COLUMNS: Readonly<Record<string, Column>> = {
  pid: ['PID', ({ pid }) => String(pid)],
  ppid: ['PPID', ({ ppid }) => String(ppid)],
  user: ['USER', ({ uid }, host) => host.userName(uid)],
  uid: ['UID', ({ uid }) => String(uid)],
  gid: ['GID', ({ gid }) => String(gid)],
  uname: ['UID', ({ uid }, host) => host.userName(uid)],
  args: ['COMMAND', ({ command }) => command],
  cmd: ['CMD', ({ command }) => command],
  comm: ['COMMAND', ({ name }) => name],
  stat: ['STAT', ({ state }) => state],
  s: ['S', ({ state }) => state],
  tty: ['TTY', ({ tty }) => tty],
  time: ['TIME', ({ cpuSeconds }) => clockText(cpuSeconds)],
  c: ['C', (facts, host) => String(Math.floor(cpuShare(facts, host)))],
  '%cpu': ['%CPU', (facts, host) => cpuShare(facts, host).toFixed(1)],
  '%mem': ['%MEM', ({ rssKb }, host) => ((rssKb * 100) / host.memoryKb).toFixed(1)],
  vsz: ['VSZ', ({ vsizeKb }) => String(vsizeKb)],
  rss: ['RSS', ({ rssKb }) => String(rssKb)],
  ni: ['NI', ({ nice }) => String(nice)],
  nlwp: ['NLWP', ({ threads }) => String(threads)],
  stime: ['STIME', ({ startedAt }) => startText(startedAt)],
  start: ['START', ({ startedAt }) => startText(startedAt)],
  etime: ['ELAPSED', ({ startedAt }) => clockText(Math.max(0, (Date.now() - startedAt) / 1000))],
};

const ALIASES: Readonly<Record<string, string>> = {
  command: 'args',
  pcpu: '%cpu',
  pmem: '%mem',
  tt: 'tty',
  tname: 'tty',
  nice: 'ni',
  vsize: 'vsz',
  rssize: 'rss',
  state: 's',
  cputime: 'time',
  euser: 'user',
  ruser: 'user',
};

const FORMATS: Readonly<Record<string, string>> = {
  '-ef': 'uname,pid,ppid,c,stime,tty,time,cmd',
  '': 'uname,pid,ppid,c,stime,tty,time,cmd',
  aux: 'user,pid,%cpu,%mem,vsz,rss,tty,stat,start,time,args',
  '-aux': 'user,pid,%cpu,%mem,vsz,rss,tty,stat,start,time,args',
  '-e': 'pid,tty,time,comm',
  '-eo': '',
};

/** The processes as `ps` would list them, read from /proc. Throws for columns and formats it does not know. */
export function topOf(pids: readonly number[], psArgs = '-ef'): ProcessTable {
  const columns = columnsOf(psArgs.trim());
  const host = new Host();
  const processes = pids.flatMap((pid) => {
    const facts = factsOf(pid, host);
    return facts ? [columns.map(([, value]) => value(facts, host))] : [];
  });
  return { titles: columns.map(([title]) => title), processes };
}

function columnsOf(args: string): Column[] {
  const custom = [...args.matchAll(/(?:^|\s)(?:-?[aAex]*o|--format)[\s=]*([^\s-][^\s]*(?:\s*,\s*[^\s,]+)*)/g)].map(
    (match) => match[1] ?? '',
  );
  const format = custom.length > 0 ? custom.join(',') : FORMATS[args];
  if (format === undefined) throw invalid('unknown_ps_args', `unsupported ps arguments: ${args}`);
  return format.split(',').map((part) => {
    const [name = '', title] = part.trim().toLowerCase().split('=');
    const column = COLUMNS[ALIASES[name] ?? name];
    if (!column) throw invalid('unknown_ps_column', `error: unknown user-defined format specifier "${name}"`);
    return title ? [title.toUpperCase(), column[1]] : column;
  });
}

class Host {
  readonly #users = new Map<number, string>();
  readonly memoryKb = Number(/^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 1);
  readonly bootMs = Number(/^btime (\d+)/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? 0) * 1000;

  constructor() {
    try {
      for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
        const [name = '', , uid = ''] = line.split(':');
        if (name !== '' && !this.#users.has(Number(uid))) this.#users.set(Number(uid), name);
      }
    } catch {
      // Numbers, then.
    }
  }

  userName(uid: number): string {
    return this.#users.get(uid) ?? String(uid);
  }
}

function factsOf(pid: number, host: Host): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const cmdline = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '').replaceAll('\0', ' ');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (number: number): number => Number(fields[number - 3] ?? 0);
    return {
      pid,
      ppid: field(4),
      uid: Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1] ?? 0),
      gid: Number(/^Gid:\s+\d+\s+(\d+)/m.exec(status)?.[1] ?? 0),
      command: cmdline === '' ? `[${name}]` : cmdline,
      name,
      state: fields[0] ?? '?',
      tty: ttyName(field(7)),
      cpuSeconds: (field(14) + field(15)) / TICKS,
      startedAt: host.bootMs + (field(22) * 1000) / TICKS,
      vsizeKb: Math.floor(field(23) / 1024),
      rssKb: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0),
      nice: field(19),
      threads: field(20),
    };
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

function ttyName(device: number): string {
  if (device === 0) return '?';
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  return major >= 136 && major <= 143 ? `pts/${minor + (major - 136) * 256}` : '?';
}

function cpuShare({ cpuSeconds, startedAt }: ProcessFacts, _host: Host): number {
  const elapsed = (Date.now() - startedAt) / 1000;
  return elapsed > 0 ? (cpuSeconds * 100) / elapsed : 0;
}

function clockText(seconds: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function startText(ms: number): string {
  const date = new Date(ms);
  if (Date.now() - ms > 86_400_000) return date.toDateString().slice(4, 10).replace(' ', '');
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}
