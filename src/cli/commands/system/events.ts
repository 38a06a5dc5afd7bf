import type { EventMessage } from '../../../client/index.ts';
import { filterFlag } from '../../actions/index.ts';
import { compileTemplate, goJson, unescaped } from '../../format/index.ts';
import { type Command, print, text } from '../../grammar/index.ts';
import { parseFilters, parseMoment } from '../../values/index.ts';

export const events: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    filterFlag('Filter output based on conditions provided'),
    text('format', 'Format output using a custom template'),
    text('since', 'Show all events created since timestamp'),
    text('until', 'Stream events until this timestamp'),
  ],
  async run(context, flags) {
    const format = flags.text('format');
    const template = format === '' || format === 'json' ? undefined : compileTemplate(unescaped(format));
    const moment = (flag: string): string | undefined =>
      flags.given(flag) ? parseMoment(flags.text(flag), context.now()) : undefined;
    const stream = context.client.system.events({
      since: moment('since'),
      until: moment('until'),
      filters: parseFilters(flags.list('filter')),
    });
    for await (const event of stream) {
      if (format === 'json') print(context, goJson(event));
      else print(context, template === undefined ? plain(event) : template.apply(event));
    }
    return 0;
  },
};

/** `2026-11-21T12:53:26.000000000+00:00 network create <id> (name=…, type=bridge)` */
function plain(event: EventMessage): string {
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  const tail = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`;
  return `${localTime(event)} ${event.Type} ${event.Action} ${event.Actor.ID}${tail}`;
}

function localTime(event: EventMessage): string {
  const date = new Date(event.time * 1000);
  const offset = -date.getTimezoneOffset();
  const two = (value: number): string => String(Math.trunc(Math.abs(value))).padStart(2, '0');
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19);
  // The nanoseconds exceed what a number holds exactly; its last nine digits come from the text.
  const nanos = String(event.timeNano).slice(-9).padStart(9, '0');
  if (offset === 0) return `${local}.${nanos}Z`;
  return `${local}.${nanos}${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`;
}
