import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';
import type { TestHost } from './host.ts';

const ROOT = fileURLToPath(new URL('../../.cache/firewalld', import.meta.url));
/** Debian's own: its modules are not another Python's. */
const PYTHON = ['env', `PYTHONPATH=${ROOT}/usr/lib/python3/dist-packages`, '/usr/bin/python3'];

/** Everybody on it may do everything: it is reached from inside the test host alone. */
const BUS = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
`;

/** Debian's firewalld on a test host, with a bus of its own and Debian's settings; ends with the host. */
export class Firewalld {
  readonly #host: TestHost;

  private constructor(host: TestHost) {
    this.#host = host;
  }

  static async start(host: TestHost): Promise<Firewalld> {
    writeFileSync(join(host.directory, 'bus.conf'), BUS);
    await host.ok(['mkdir', '-p', '/run/dbus', '/run/firewalld-etc']);
    const start = (...command: string[]): void => {
      const [program = '', ...args] = host.inside(command);
      spawn(program, args, { stdio: 'ignore' });
    };
    start('dbus-daemon', `--config-file=${host.directory}/bus.conf`, '--nofork', '--nopidfile');
    await eventually(() => host.ok(['test', '-S', '/run/dbus/system_bus_socket']));
    start(
      ...PYTHON,
      `${ROOT}/usr/sbin/firewalld`,
      '--nofork',
      '--nopid',
      '--system-config=/run/firewalld-etc',
      `--default-config=${ROOT}/usr/lib/firewalld`,
    );
    const firewalld = new Firewalld(host);
    await eventually(() => firewalld.command('--state'), 60_000);
    return firewalld;
  }

  command(...args: string[]): Promise<string> {
    return this.#host.ok([...PYTHON, `${ROOT}/usr/bin/firewall-cmd`, ...args]);
  }
}
