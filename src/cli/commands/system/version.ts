import { CLIENT_API_VERSION, ConnectionError, type VersionInfo } from '../../../client/index.ts';
import { INSPECT_FORMAT } from '../../actions/index.ts';
import { compileTemplate, goJson, unescaped } from '../../format/index.ts';
import { type Command, print, text } from '../../grammar/index.ts';

const CLIENT_VERSION = '0.1.0';

export const version: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [text('format,f', INSPECT_FORMAT.help)],
  async run(context, flags) {
    const { arch, platform, version: node } = process;
    const client = {
      Version: CLIENT_VERSION,
      ApiVersion: CLIENT_API_VERSION,
      DefaultAPIVersion: CLIENT_API_VERSION,
      NodeVersion: node,
      Os: platform,
      Arch: arch === 'x64' ? 'amd64' : arch,
      Context: 'default',
    };
    let server: VersionInfo | undefined;
    let failure: ConnectionError | undefined;
    try {
      client.ApiVersion = await context.client.session.apiVersion();
      server = await context.client.system.version();
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      failure = error;
    }
    const format = flags.text('format');
    if (format === 'json') print(context, goJson({ Client: client, Server: server ?? null }));
    else if (format !== '')
      print(context, compileTemplate(unescaped(format)).apply({ Client: client, Server: server }));
    else print(context, [clientText(client), ...(server === undefined ? [] : ['', serverText(server)])].join('\n'));
    if (failure !== undefined) throw failure;
    return 0;
  },
};

function lines(entries: readonly (readonly [string, unknown])[], indent: string): string {
  return entries
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${indent}${`${name}:`.padEnd(19 - indent.length)}${value}`)
    .join('\n');
}

function clientText(client: Readonly<Record<string, string>>): string {
  const api =
    client.ApiVersion === client.DefaultAPIVersion
      ? client.ApiVersion
      : `${client.ApiVersion} (downgraded from ${client.DefaultAPIVersion})`;
  return `Client: Fairway\n${lines(
    [
      ['Version', client.Version],
      ['API version', api],
      ['Node version', client.NodeVersion],
      ['OS/Arch', `${client.Os}/${client.Arch}`],
      ['Context', client.Context],
    ],
    ' ',
  )}`;
}

function serverText(server: VersionInfo): string {
  const engine = lines(
    [
      ['Version', server.Version],
      ['API version', `${server.ApiVersion} (minimum version ${server.MinAPIVersion ?? '1.24'})`],
      ['Go version', server.GoVersion],
      ['Git commit', server.GitCommit],
      ['Built', server.BuildTime],
      ['OS/Arch', `${server.Os}/${server.Arch}`],
      ['Kernel', server.KernelVersion],
      ['Experimental', server.Experimental ?? false],
    ],
    '  ',
  );
  const others = (server.Components ?? [])
    .filter(({ Name }) => Name !== 'Engine')
    .map(({ Name, Version, Details }) =>
      [` ${Name}:`, lines([['Version', Version], ...Object.entries(Details ?? {})], '  ')].join('\n'),
    );
  return [`Server: ${server.Platform?.Name || 'Fairway Engine'}`, ' Engine:', engine, ...others].join('\n');
}
