import type { PortBinding } from '../../../client/index.ts';
import { type Command, print } from '../../grammar/index.ts';

export const port: Command = {
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  args: { min: 1, max: 2 },
  flags: [],
  completes: ['running', 'nothing'],
  async run(context, _flags, [name = '', wanted]) {
    const details = await context.client.containers.inspect(name);
    const ports = details.NetworkSettings?.Ports ?? {};
    if (wanted === undefined) {
      const lines = Object.entries(ports).flatMap(([key, bindings]) =>
        (bindings ?? []).map((binding) => `${key} -> ${address(binding)}`),
      );
      for (const line of lines.sort(byNumber)) print(context, line);
      return 0;
    }
    const key = wanted.includes('/') ? wanted : `${wanted}/tcp`;
    const bindings = ports[key] ?? [];
    if (bindings.length === 0) throw new Error(`Error: No public port '${wanted}' published for ${name}`);
    for (const binding of bindings) print(context, address(binding));
    return 0;
  },
};

function address(binding: PortBinding): string {
  const ip = binding.HostIp.includes(':') ? `[${binding.HostIp}]` : binding.HostIp;
  return `${ip}:${binding.HostPort}`;
}

function byNumber(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1);
}
