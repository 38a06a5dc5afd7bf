import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import type { TestHost } from './host.ts';
import { killNow, TestLan } from './lan.ts';

export interface DhcpServerOptions {
  /** First and last address to lend, both in 10.99.0.0/24. */
  readonly from: string;
  readonly to: string;
  readonly leaseSeconds: number;
  /** When clients are to ask again; else after half of the lease. */
  readonly renewSeconds?: number;
  readonly mtu?: number;
}

/** Busybox's DHCP server in the LAN; its files are in the folder of the host. */
export class DhcpServer {
  readonly #lan: TestLan;
  readonly #log: string;
  #pid: number;

  private constructor(lan: TestLan, log: string, pid: number) {
    this.#lan = lan;
    this.#log = log;
    this.#pid = pid;
  }

  static async start(lan: TestLan, host: TestHost, options: DhcpServerOptions): Promise<DhcpServer> {
    const file = (name: string): string => join(host.directory, `udhcpd.${name}`);
    const { from, to, leaseSeconds, renewSeconds = Math.floor(leaseSeconds / 2), mtu = 1500 } = options;
    const renewal = renewSeconds.toString(16).padStart(8, '0');
    writeFileSync(
      file('conf'),
      `interface br0
start ${from}
end ${to}
lease_file ${file('leases')}
pidfile ${file('pid')}
min_lease 2
option lease ${leaseSeconds}
option 0x3a ${renewal}
option subnet 255.255.255.0
option router ${TestLan.address}
option dns ${TestLan.address}
option domain lan.test
option mtu ${mtu}
`,
    );
    // A new server knows nothing of the leases of an earlier one.
    for (const name of ['leases', 'pid']) writeFileSync(file(name), '');
    closeSync(openSync(file('log'), 'w'));
    await lan.ok(['sh', '-c', `busybox udhcpd -f -a100 ${file('conf')} >>${file('log')} 2>&1 &`]);
    const pid = await eventually(() => {
      const number = Number(readFileSync(file('pid'), 'utf8'));
      if (!(number > 0)) throw new Error(`the DHCP server did not begin: ${readFileSync(file('log'), 'utf8')}`);
      return number;
    });
    return new DhcpServer(lan, file('log'), pid);
  }

  /** How often it has said that. */
  count(what: 'OFFER' | 'ACK' | 'NAK'): number {
    return [...readFileSync(this.#log, 'utf8').matchAll(new RegExp(`sending ${what}`, 'gi'))].length;
  }

  get log(): string {
    return readFileSync(this.#log, 'utf8');
  }

  async stop(): Promise<void> {
    killNow(this.#pid);
    await eventually(async () => {
      if ((await this.#lan.run(['kill', '-0', String(this.#pid)])).code === 0)
        throw new Error('the DHCP server goes on');
    });
  }
}
