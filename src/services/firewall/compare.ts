import type { Drift } from '../../model/index.ts';

/** Where two listings of a table, as `nft list table` prints them, differ. */
export function tableDrift(table: string, there: string, wanted: string): readonly Drift[] {
  if (there === wanted) return [];
  const [present, expected] = [blocksOf(there), blocksOf(wanted)];
  const drift = (problem: Drift['problem'], name: string, detail?: string): Drift => ({
    ...{ kind: 'rules', problem, object: `${name} of table ${table}` },
    ...(detail === undefined ? {} : { detail }),
  });
  const missing = [...expected].filter(([name]) => !present.has(name)).map(([name]) => drift('missing', name));
  const different = [...expected]
    .filter(([name, text]) => present.has(name) && present.get(name) !== text)
    .map(([name]) => drift('different', name, 'its rules or elements are not ours'));
  const foreign = [...present].filter(([name]) => !expected.has(name));
  return [...missing, ...different, ...foreign.map(([name]) => drift('different', name, 'nobody of ours made it'))];
}

/** `chain forward`, `map ports4` … with their text. */
function blocksOf(listing: string): ReadonlyMap<string, string> {
  const blocks = new Map<string, string>();
  let name = '';
  for (const line of listing.split('\n')) {
    const start = /^\t(\w+ \w+) \{$/.exec(line)?.[1];
    if (start !== undefined) name = start;
    if (name !== '') blocks.set(name, `${blocks.get(name) ?? ''}${line}\n`);
    if (line === '\t}') name = '';
  }
  return blocks;
}
