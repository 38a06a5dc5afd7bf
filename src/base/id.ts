import { randomBytes } from 'node:crypto';

/** 64 lower-case hex digits, the form of every Docker id. */
export type Id = string & { readonly __id: unique symbol };

export function newId(): Id {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    // Docker's rule: a short id that is all digits could be taken for a number (and a UNIX user id as hostname).
    if (!/^\d{12}/.test(id)) return id as Id;
  }
}

/** The first 12 digits, as shown in tables and used as hostname. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
