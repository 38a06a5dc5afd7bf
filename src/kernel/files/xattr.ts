import { isErrno, rawGetXattr, rawListXattr, rawSetXattr } from '../ffi/index.ts';

/** The value of an extended attribute, of a link itself; undefined when there is none, or the file system keeps none. */
export function readAttribute(path: string, name: string): Buffer | undefined {
  try {
    return rawGetXattr(path, name);
  } catch (error) {
    if (isErrno(error, 'ENODATA', 'EOPNOTSUPP', 'ENOTSUP')) return undefined;
    throw error;
  }
}

/** The names of all extended attributes that we may see, of a link itself. */
export function listAttributes(path: string): string[] {
  try {
    return rawListXattr(path)
      .toString('utf8')
      .split('\0')
      .filter((name) => name !== '');
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP', 'ENOTSUP')) return [];
    throw error;
  }
}

/** Sets one, of a link itself; false when the file system keeps none of that kind or we may not set it. */
export function writeAttribute(path: string, name: string, value: Buffer): boolean {
  try {
    rawSetXattr(path, name, value);
    return true;
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP', 'ENOTSUP', 'EPERM')) return false;
    throw error;
  }
}
