import { constants } from 'node:os';
import { invalid } from '../../base/index.ts';

const RTMIN = 34;
const RTMAX = 64;

/** `9`, `KILL`, `SIGKILL`, `RTMIN+3` … Throws with Docker's text. */
export function parseSignal(text: string): number {
  const plain = text.trim().toUpperCase().replace(/^SIG/, '');
  if (/^\d+$/.test(plain)) {
    const number = Number(plain);
    if (number >= 1 && number <= RTMAX) return number;
  }
  const known = (constants.signals as Readonly<Record<string, number>>)[`SIG${plain}`];
  if (known !== undefined) return known;
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(plain);
  if (realtime) {
    const offset = Number(realtime[3] ?? 0) * (realtime[2] === '-' ? -1 : 1);
    const number = (realtime[1] === 'MIN' ? RTMIN : RTMAX) + offset;
    if (number >= RTMIN && number <= RTMAX) return number;
  }
  throw invalid('invalid_signal', `invalid signal: ${text}`);
}

export const SIGKILL = 9;
export const SIGTERM = 15;
