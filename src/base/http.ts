/**
 * `node:http`. Importing it by name would load all that it names, a second HTTP client among it, which is 25 ms and 5 MB for
 * each process.
 */
export function nodeHttp(): typeof import('node:http') {
  return process.getBuiltinModule('node:http');
}
