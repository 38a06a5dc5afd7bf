const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `4.86MB`: powers of 1000, as image sizes are shown. */
export function humanSize(bytes: number, precision = 3): string {
  return scaled(bytes, { base: 1000, units: DECIMAL, precision });
}

/** `7.668GiB`: powers of 1024, as memory is shown. */
export function binarySize(bytes: number): string {
  return scaled(bytes, { base: 1024, units: BINARY, precision: 4 });
}

function scaled(bytes: number, scale: { base: number; units: readonly string[]; precision: number }): string {
  let value = bytes;
  let unit = 0;
  while (value >= scale.base && unit < scale.units.length - 1) {
    value /= scale.base;
    unit += 1;
  }
  return `${significant(value, scale.precision)}${scale.units[unit]}`;
}

/** Go's %.*g for values that stay below 10 to the precision. */
function significant(value: number, digits: number): string {
  if (value >= 10 ** digits) return `${value.toExponential(digits - 1)}`.replace(/e\+(\d)$/, 'e+0$1');
  return String(Number(value.toPrecision(digits)));
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24;

/** `About an hour`, `3 weeks`: one word and one number, as tables show ages. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < MINUTE) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / MINUTE);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(milliseconds / 1000 / HOUR + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 2 * DAY) return `${hours} hours`;
  if (hours < 14 * DAY) return `${Math.floor(hours / DAY)} days`;
  if (hours < 60 * DAY) return `${Math.floor(hours / DAY / 7)} weeks`;
  if (hours < 730 * DAY) return `${Math.floor(hours / DAY / 30)} months`;
  return `${Math.floor(milliseconds / 1000 / HOUR / DAY / 365)} years`;
}

export function ago(now: number, milliseconds: number): string {
  return `${humanDuration(now - milliseconds)} ago`;
}

/** `2026-11-21 12:53:26 +0000 UTC`, as Go prints a time; an RFC 3339 text keeps all of its fraction. */
export function goTime(time: number | string): string {
  const date = new Date(time);
  const fraction = typeof time === 'string' ? (/\.\d*[1-9]/.exec(time)?.[0] ?? '') : '';
  const offset = -date.getTimezoneOffset();
  const two = (value: number): string => String(Math.trunc(Math.abs(value))).padStart(2, '0');
  const zone = `${offset < 0 ? '-' : '+'}${two(offset / 60)}${two(offset % 60)}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${clock}${fraction} ${zone} ${offset === 0 ? 'UTC' : zone}`;
}

/** Cut to `width` characters, the last of them an ellipsis when something was cut. */
export function ellipsis(text: string, width: number): string {
  const letters = [...text];
  if (letters.length <= width) return text;
  return `${letters.slice(0, width - 1).join('')}…`;
}

/** `sha256:0123…` without the algorithm, cut to twelve digits. */
export function shortDigest(id: string): string {
  return id.replace(/^[a-z0-9]+:/, '').slice(0, 12);
}
