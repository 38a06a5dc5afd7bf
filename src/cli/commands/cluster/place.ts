import type { ClusterPlace } from '../../../client/index.ts';
import { type Context, type Flag, type Flags, print, text } from '../../grammar/index.ts';

/** Where this host is to be reached: of init and join. */
export const PLACE: readonly Flag[] = [
  text('advertise-addr', 'Address or link by which other hosts reach this one', { placeholder: 'ip|interface' }),
  text('port', 'Port of the store that this host runs; its members among themselves use the next one', {
    shownDefault: '2379',
  }),
];

export function placeOf(flags: Flags): ClusterPlace {
  const [advertise, port] = [flags.text('advertise-addr'), flags.text('port')];
  if (port !== '' && !/^\d{1,5}$/.test(port)) {
    throw new Error(`invalid argument ${JSON.stringify(port)} for "--port" flag: it must be a number`);
  }
  return { ...(advertise !== '' && { AdvertiseAddr: advertise }), ...(port !== '' && { Port: Number(port) }) };
}

export function printJoin(context: Context, token: string, manager: boolean): void {
  print(context, `    fairway cluster join ${manager ? '--manager ' : ''}${token}`);
}
