import * as v from 'valibot';
import { text, textMap } from './fields.ts';

export const VolumeCreateBody = v.object({ Name: text, Driver: text, Labels: textMap, DriverOpts: textMap });
