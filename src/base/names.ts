import { invalid } from './errors.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Docker's rule for the names of containers, networks and volumes. One character is allowed for networks only. */
export function isObjectName(name: string): boolean {
  return NAME.test(name);
}

/** Throws `invalid_name` with Docker's text for a container name. */
export function assertContainerName(name: string): void {
  if (name.length < 2 || !NAME.test(name)) {
    throw invalid('invalid_name', `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
}
