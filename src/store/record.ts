import { conflict, Emitter, type FairwayError, invalid, unavailable } from '../base/index.ts';
import type { StoreChange, StoreOperation } from '../model/index.ts';

/** A checked operation. */
export interface Step {
  readonly key: string;
  readonly action: 'put' | 'delete' | 'check';
  /** Of a put: the value as JSON text. */
  readonly json: string | undefined;
  readonly expect: number | undefined;
}

/** Checks and encodes a transaction before anything is touched. */
export function stepsOf(operations: readonly StoreOperation[]): readonly Step[] {
  const seen = new Set<string>();
  return operations.map((operation) => {
    const step = stepOf(operation);
    const key = checkKey(step.key);
    if (seen.has(key)) throw invalid('store_duplicate_key', `cannot commit: key ${JSON.stringify(key)} appears twice`);
    seen.add(key);
    return step;
  });
}

function stepOf(operation: StoreOperation): Step {
  const { expect } = operation;
  if ('put' in operation) {
    return { key: operation.put, action: 'put', json: encode(operation.put, operation.value), expect };
  }
  if ('delete' in operation) return { key: operation.delete, action: 'delete', json: undefined, expect };
  return { key: operation.check, action: 'check', json: undefined, expect };
}

/** Whether the step changes a record that is there (`present`) or not. */
export function isChange({ action }: Step, present: boolean): boolean {
  return action === 'put' || (action === 'delete' && present);
}

/** Throws `store_conflict` unless the record's revision (0: absent) is the expected one. */
export function checkExpectation(step: Step, revision: number): void {
  if (step.expect === undefined || step.expect === revision) return;
  const word = (value: number): string => (value === 0 ? 'absent' : `at revision ${value}`);
  throw conflict(
    'store_conflict',
    `cannot commit: key ${JSON.stringify(step.key)} is ${word(revision)}, expected ${word(step.expect)}`,
  );
}

/** Printable ASCII keys sort the same as JavaScript strings and as SQLite's bytes. */
export function checkKey(key: string): string {
  if (/^[\x21-\x7e]{1,512}$/.test(key)) return key;
  throw invalid('store_bad_key', `invalid store key: ${JSON.stringify(key)}`);
}

function encode(key: string, value: unknown): string {
  const json: string | undefined = JSON.stringify(value);
  if (json !== undefined) return json;
  throw invalid('store_bad_value', `cannot store ${JSON.stringify(key)}: the value is not JSON data`);
}

export function storeClosed(): FairwayError {
  return unavailable('store_closed', 'the store is closed');
}

/** The watchers of one store. Everybody hears every change of a commit, in order, before the commit resolves. */
export class Watchers {
  readonly #emitter: Emitter<StoreChange>;
  /** One for each watcher. A change that nobody asked for is not made of the text again: it may be a megabyte. */
  readonly #prefixes: string[] = [];

  constructor(onError?: (error: unknown) => void) {
    this.#emitter = new Emitter(onError);
  }

  add(prefix: string, listener: (change: StoreChange) => void): () => void {
    this.#prefixes.push(prefix);
    const off = this.#emitter.on((change) => {
      if (change.key.startsWith(prefix)) listener(change);
    });
    let on = true;
    return () => {
      if (on) this.#prefixes.splice(this.#prefixes.indexOf(prefix), 1);
      on = false;
      off();
    };
  }

  tell(steps: readonly Step[], revision: number): void {
    for (const { key, json } of steps) {
      if (!this.#prefixes.some((prefix) => key.startsWith(prefix))) continue;
      this.#emitter.emit({ key, value: json === undefined ? undefined : JSON.parse(json), revision });
    }
  }
}
