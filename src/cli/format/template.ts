import { FUNCTIONS, printed, truthy } from './template-functions.ts';
import { TemplateError } from './template-lexer.ts';
import { type Expression, parseTemplate, type Step } from './template-parser.ts';

/** A parsed template, ready to be applied to any number of values. */
export interface Template {
  apply(data: unknown): string;
}

/**
 * The part of Go's text/template that `--format` is used with: fields, variables, pipes, `if`, `with`, `range`, and
 * the functions the stock client adds. Data are plain objects; a function in a field is called without arguments.
 */
export function compileTemplate(source: string): Template {
  const steps = parsed(source);
  return {
    apply(data) {
      try {
        return new Run(data).steps(steps, data);
      } catch (error) {
        if (error instanceof TemplateError) throw new TemplateError(`template: :1: executing "" ${error.message}`);
        throw error;
      }
    },
  };
}

function parsed(source: string): readonly Step[] {
  try {
    const steps = parseTemplate(source);
    checkFunctions(steps);
    return steps;
  } catch (error) {
    if (error instanceof TemplateError)
      throw new TemplateError(`template parsing error: template: :1: ${error.message}`);
    throw error;
  }
}

function checkFunctions(steps: readonly Step[]): void {
  for (const step of steps) {
    if (step.kind === 'text') continue;
    if (step.kind === 'print' || step.kind === 'set') {
      checkCalls(step.value);
      continue;
    }
    checkCalls(step.kind === 'range' ? step.over : step.test);
    checkFunctions(step.then);
    checkFunctions(step.otherwise);
  }
}

function checkCalls(value: Expression): void {
  if (value.kind === 'field' || value.kind === 'method') checkCalls(value.of);
  if (value.kind === 'method') value.args.forEach(checkCalls);
  if (value.kind !== 'call') return;
  if (!Object.hasOwn(FUNCTIONS, value.name)) throw new TemplateError(`function "${value.name}" not defined`);
  value.args.forEach(checkCalls);
}

class Run {
  readonly #variables: Map<string, unknown>;

  constructor(data: unknown) {
    this.#variables = new Map([['$', data]]);
  }

  steps(steps: readonly Step[], dot: unknown): string {
    return steps.map((step) => this.#step(step, dot)).join('');
  }

  #step(step: Step, dot: unknown): string {
    switch (step.kind) {
      case 'text':
        return step.text;
      case 'print':
        return printed(this.#value(step.value, dot));
      case 'set':
        this.#variables.set(step.name, this.#value(step.value, dot));
        return '';
      case 'if':
        return this.steps(truthy(this.#value(step.test, dot)) ? step.then : step.otherwise, dot);
      case 'with': {
        const value = this.#value(step.test, dot);
        return truthy(value) ? this.steps(step.then, value) : this.steps(step.otherwise, dot);
      }
      case 'range':
        return this.#range(step, dot);
    }
  }

  #range(step: Step & { kind: 'range' }, dot: unknown): string {
    const pairs = pairsOf(this.#value(step.over, dot));
    if (pairs.length === 0) return this.steps(step.otherwise, dot);
    return pairs
      .map(([key, value]) => {
        const [first, second] = step.names;
        if (second !== undefined && first !== undefined) {
          this.#variables.set(first, key);
          this.#variables.set(second, value);
        } else if (first !== undefined) {
          this.#variables.set(first, value);
        }
        return this.steps(step.then, value);
      })
      .join('');
  }

  #value(expression: Expression, dot: unknown): unknown {
    switch (expression.kind) {
      case 'literal':
        return expression.value;
      case 'dot':
        return dot;
      case 'variable': {
        if (!this.#variables.has(expression.name)) throw new TemplateError(`undefined variable "${expression.name}"`);
        return this.#variables.get(expression.name);
      }
      case 'field':
        return fieldOf(this.#value(expression.of, dot), expression.name);
      case 'method': {
        const args = expression.args.map((arg) => this.#value(arg, dot));
        return fieldOf(this.#value(expression.of, dot), expression.name, args);
      }
      case 'call': {
        const args = expression.args.map((arg) => this.#value(arg, dot));
        return FUNCTIONS[expression.name]?.(...args);
      }
    }
  }
}

function pairsOf(value: unknown): (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((one, at) => [at, one] as const);
  if (typeof value === 'number') return Array.from({ length: value }, (_, at) => [at, at] as const);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

function fieldOf(value: unknown, name: string, args: readonly unknown[] = []): unknown {
  if (typeof value !== 'object' || value === null) {
    throw new TemplateError(
      value === null || value === undefined
        ? `at <.${name}>: nil pointer evaluating interface {}.${name}`
        : `at <.${name}>: can't evaluate field ${name} in type ${Array.isArray(value) ? 'slice' : typeof value}`,
    );
  }
  if (name in value) {
    const found = (value as Record<string, unknown>)[name];
    return typeof found === 'function' ? found.apply(value, args) : found;
  }
  // Fields of the API begin with a capital; anything else is a key of somebody's own map and may be absent.
  if (/^[A-Z]/.test(name)) throw new TemplateError(`at <.${name}>: map has no entry for key ${JSON.stringify(name)}`);
  return undefined;
}
