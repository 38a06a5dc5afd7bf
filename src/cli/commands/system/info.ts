import { INSPECT_FORMAT } from '../../actions/index.ts';
import { binarySize, compileTemplate, goJson, unescaped } from '../../format/index.ts';
import { type Command, print, text, warn } from '../../grammar/index.ts';

export const info: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [text('format,f', INSPECT_FORMAT.help)],
  async run(context, flags) {
    const facts = await context.client.system.info();
    const format = flags.text('format');
    if (format === 'json') print(context, goJson(facts));
    else if (format !== '') print(context, compileTemplate(unescaped(format)).apply(facts));
    else {
      print(context, plain(facts));
      for (const warning of listOf(facts.Warnings)) warn(context, String(warning));
    }
    return 0;
  },
};

/** The facts in the order of the stock client; what the daemon does not say is left out. */
const FACTS: readonly (readonly [string, string])[] = [
  ['Containers', 'Containers'],
  [' Running', 'ContainersRunning'],
  [' Paused', 'ContainersPaused'],
  [' Stopped', 'ContainersStopped'],
  ['Images', 'Images'],
  ['Server Version', 'ServerVersion'],
  ['Storage Driver', 'Driver'],
  ['Logging Driver', 'LoggingDriver'],
  ['Cgroup Driver', 'CgroupDriver'],
  ['Cgroup Version', 'CgroupVersion'],
  ['Default Runtime', 'DefaultRuntime'],
  ['Init Binary', 'InitBinary'],
  ['Kernel Version', 'KernelVersion'],
  ['Operating System', 'OperatingSystem'],
  ['OSType', 'OSType'],
  ['Architecture', 'Architecture'],
  ['CPUs', 'NCPU'],
  ['Total Memory', 'MemTotal'],
  ['Name', 'Name'],
  ['ID', 'ID'],
  ['Fairway Root Dir', 'DockerRootDir'],
  ['Debug Mode', 'Debug'],
  ['Experimental', 'ExperimentalBuild'],
  ['Live Restore Enabled', 'LiveRestoreEnabled'],
];

function plain(facts: Readonly<Record<string, unknown>>): string {
  const lines = ['Client: Fairway', ' Context:    default', ' Debug Mode: false', '', 'Server:'];
  for (const [title, name] of FACTS) {
    const value = facts[name];
    if (value === undefined || value === '') continue;
    lines.push(` ${title}: ${name === 'MemTotal' ? binarySize(Number(value)) : String(value)}`);
  }
  const plugins = facts.Plugins;
  if (typeof plugins === 'object' && plugins !== null) {
    lines.push(' Plugins:');
    for (const [kind, names] of Object.entries(plugins)) {
      if (listOf(names).length > 0) lines.push(`  ${kind}: ${listOf(names).join(' ')}`);
    }
  }
  const pools = listOf(facts.DefaultAddressPools);
  if (pools.length > 0) {
    lines.push(' Default Address Pools:');
    for (const pool of pools as { Base: string; Size: number }[])
      lines.push(`   Base: ${pool.Base}, Size: ${pool.Size}`);
  }
  return lines.join('\n');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
