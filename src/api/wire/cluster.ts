import * as v from 'valibot';
import { flag, optionalCount, text } from './fields.ts';

export const ClusterInitBody = v.object({ AdvertiseAddr: text, Port: optionalCount });
export const ClusterJoinBody = v.object({ Token: text, Manager: flag, AdvertiseAddr: text, Port: optionalCount });
