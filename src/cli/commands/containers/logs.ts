import { bool, type Command, text } from '../../grammar/index.ts';
import { drain } from '../../terminal/index.ts';
import { parseMoment } from '../../values/index.ts';

export const logs: Command = {
  usage: '[OPTIONS] CONTAINER',
  args: { min: 1, max: 1 },
  flags: [
    bool('details', 'Show extra details provided to logs'),
    bool('follow,f', 'Follow log output'),
    text('since', 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'),
    text('tail,n', 'Number of lines to show from the end of the logs', { shownDefault: 'all' }),
    bool('timestamps,t', 'Show timestamps'),
    text('until', 'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'),
  ],
  completes: ['containers'],
  async run(context, flags, [name = '']) {
    const moment = (flag: string): string | undefined => {
      const value = flags.text(flag);
      return value === '' ? undefined : parseMoment(value, context.now());
    };
    const details = await context.client.containers.inspect(name);
    const response = await context.client.containers.logs(details.Id, {
      stdout: true,
      stderr: true,
      details: flags.bool('details') || undefined,
      follow: flags.bool('follow') || undefined,
      since: moment('since'),
      until: moment('until'),
      tail: flags.maybe('tail') ?? 'all',
      timestamps: flags.bool('timestamps') || undefined,
    });
    await drain(response, context, details.Config.Tty);
    return 0;
  },
};
