import { invalid } from '../../base/index.ts';

export interface OciUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

interface Passwd {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const MAX_ID = 2 ** 31 - 1;

/** `user[:group]` with the image's own accounts. Throws with Docker's texts for names that are not there. */
export function resolveUser(
  text: string,
  files: { readonly passwd: string; readonly group: string },
  groupAdd: readonly string[] = [],
): OciUser {
  const accounts = parsePasswd(files.passwd);
  const groups = parseGroup(files.group);
  const [wantedUser = '', wantedGroup = ''] = text.split(':');
  const account = accounts.find(({ name, uid }) =>
    wantedUser === '' ? uid === 0 : name === wantedUser || String(uid) === wantedUser,
  );
  const uid = account?.uid ?? (wantedUser === '' ? 0 : numberOr(wantedUser, () => unknownUser(wantedUser)));
  let gid = account?.gid ?? 0;
  if (wantedGroup !== '') {
    const group = groups.find(({ name, gid: id }) => name === wantedGroup || String(id) === wantedGroup);
    gid = group?.gid ?? numberOr(wantedGroup, () => unknownGroup(wantedGroup));
  }
  const additional = new Set<number>();
  if (wantedGroup === '' && account) {
    for (const group of groups) if (group.members.includes(account.name)) additional.add(group.gid);
  }
  for (const wanted of groupAdd) {
    const group = groups.find(({ name }) => name === wanted);
    additional.add(group?.gid ?? numberOr(wanted, () => unknownGroup(wanted)));
  }
  return { uid, gid, additionalGids: [gid, ...[...additional].filter((id) => id !== gid)] };
}

function parsePasswd(text: string): Passwd[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid = '', gid = ''] = line.split(':');
    return name !== '' && /^\d+$/.test(uid) && /^\d+$/.test(gid) ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

function parseGroup(text: string): Group[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , gid = '', members = ''] = line.split(':');
    return name !== '' && /^\d+$/.test(gid)
      ? [{ name, gid: Number(gid), members: members.split(',').filter((member) => member !== '') }]
      : [];
  });
}

function numberOr(text: string, failure: () => Error): number {
  if (!/^\d+$/.test(text)) throw failure();
  const number = Number(text);
  if (number > MAX_ID) throw invalid('invalid_user', `uids and gids must be in range 0-${MAX_ID}`);
  return number;
}

function unknownUser(name: string): Error {
  return invalid('unknown_user', `unable to find user ${name}: no matching entries in passwd file`);
}

function unknownGroup(name: string): Error {
  return invalid('unknown_group', `Unable to find group ${name}: no matching entries in group file`);
}
