import { HttpError, pageNotFound } from './errors.ts';
import type { Route } from './route.ts';

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

interface Compiled {
  readonly route: Route;
  readonly pattern: RegExp;
  readonly names: readonly string[];
}

/** Finds the route of a request. The table is small and fixed; the first that fits wins. */
export class Router {
  readonly #byMethod = new Map<string, Compiled[]>();
  readonly #all: Compiled[] = [];

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const compiled = compile(route);
      const list = this.#byMethod.get(route.method) ?? [];
      list.push(compiled);
      this.#byMethod.set(route.method, list);
      this.#all.push(compiled);
    }
  }

  /** Throws 404 or 405. */
  match(method: string, path: string, version: number): Match {
    const plain = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    const found = find(this.#byMethod.get(method) ?? [], plain);
    if (found) {
      if (found.route.since !== undefined && version < found.route.since) throw pageNotFound();
      return found;
    }
    if (find(this.#all, plain)) throw new HttpError(405, `method ${method} is not allowed here`);
    throw pageNotFound();
  }
}

function find(list: readonly Compiled[], path: string): Match | undefined {
  for (const { route, pattern, names } of list) {
    const match = pattern.exec(path);
    if (!match) continue;
    const params: Record<string, string> = {};
    names.forEach((name, index) => {
      params[name] = decode(match[index + 1] ?? '');
    });
    return { route, params };
  }
  return undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HttpError(400, `invalid URL escape ${JSON.stringify(text)}`);
  }
}

function compile(route: Route): Compiled {
  const names: string[] = [];
  const source = route.path.replace(/:(\w+)(\*?)/g, (_, name: string, star: string) => {
    names.push(name);
    return star === '*' ? '(.+)' : '([^/]+)';
  });
  return { route, pattern: new RegExp(`^${source}$`), names };
}
