import { type Piece, splitTemplate, TemplateError, type Token } from './template-lexer.ts';

export type Expression =
  | { readonly kind: 'literal'; readonly value: unknown }
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'field'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'method'; readonly of: Expression; readonly name: string; readonly args: readonly Expression[] }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] };

export type Step =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly value: Expression }
  | { readonly kind: 'set'; readonly name: string; readonly value: Expression }
  | {
      readonly kind: 'if';
      readonly test: Expression;
      readonly then: readonly Step[];
      readonly otherwise: readonly Step[];
    }
  | {
      readonly kind: 'with';
      readonly test: Expression;
      readonly then: readonly Step[];
      readonly otherwise: readonly Step[];
    }
  | {
      readonly kind: 'range';
      readonly names: readonly string[];
      readonly over: Expression;
      readonly then: readonly Step[];
      readonly otherwise: readonly Step[];
    };

const BLOCKS = new Set(['if', 'with', 'range']);

export function parseTemplate(source: string): readonly Step[] {
  const { steps, end } = new BlockParser(splitTemplate(source)).block();
  if (end !== '') throw new TemplateError(`unexpected {{${end}}}`);
  return steps;
}

interface Block {
  readonly steps: readonly Step[];
  /** The word that ended it; empty at the end of the template. */
  readonly end: '' | 'end' | 'else';
  /** What follows `else` on the same action: `else if …`. */
  readonly rest: readonly Token[];
}

class BlockParser {
  readonly #pieces: readonly Piece[];
  #at = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  block(): Block {
    const steps: Step[] = [];
    for (let piece = this.#next(); piece !== undefined; piece = this.#next()) {
      if ('text' in piece) {
        steps.push({ kind: 'text', text: piece.text });
        continue;
      }
      const word = wordOf(piece.action[0]);
      if (word === 'end' || word === 'else') return { steps, end: word, rest: piece.action.slice(1) };
      steps.push(this.#step(word, piece.action));
    }
    return { steps, end: '', rest: [] };
  }

  #next(): Piece | undefined {
    const piece = this.#pieces[this.#at];
    this.#at += 1;
    return piece;
  }

  #step(word: string, action: readonly Token[]): Step {
    if (BLOCKS.has(word)) return this.#branch(word, action.slice(1));
    const { names, value } = assignment(action);
    const [name] = names;
    return name === undefined ? { kind: 'print', value } : { kind: 'set', name, value };
  }

  #branch(word: string, head: readonly Token[]): Step {
    const { names, value } = assignment(head);
    const first = this.block();
    const then = first.steps;
    const otherwise = this.#otherwise(first);
    if (word === 'range') return { kind: 'range', names, over: value, then, otherwise };
    return { kind: word === 'if' ? 'if' : 'with', test: value, then, otherwise };
  }

  #otherwise(first: Block): readonly Step[] {
    if (first.end === 'end') return [];
    if (first.end === '') throw new TemplateError('unexpected EOF');
    const again = wordOf(first.rest[0]);
    if (BLOCKS.has(again)) return [this.#branch(again, first.rest.slice(1))];
    const second = this.block();
    if (second.end !== 'end') throw new TemplateError('unexpected EOF');
    return second.steps;
  }
}

function wordOf(token: Token | undefined): string {
  return token?.kind === 'word' ? token.text : '';
}

function assignment(tokens: readonly Token[]): { names: string[]; value: Expression } {
  const mark = tokens.findIndex((token) => token.kind === 'mark' && (token.text === ':=' || token.text === '='));
  if (mark < 0) return { names: [], value: new PipeParser(tokens).all() };
  const names = tokens.slice(0, mark).flatMap((token) => (token.kind === 'variable' ? [token.text] : []));
  return { names, value: new PipeParser(tokens.slice(mark + 1)).all() };
}

class PipeParser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  all(): Expression {
    const value = this.#pipe();
    const left = this.#tokens[this.#at];
    if (left !== undefined) throw new TemplateError(`unexpected ${shown(left)} in command`);
    return value;
  }

  #pipe(): Expression {
    let value = this.#command();
    while (this.#mark('|')) {
      const next = this.#command();
      if (next.kind !== 'call') throw new TemplateError('non executable command in pipeline');
      value = { ...next, args: [...next.args, value] };
    }
    return value;
  }

  #command(): Expression {
    const first = this.#peek();
    if (first?.kind === 'word' && !isConstant(first.text)) {
      this.#at += 1;
      return { kind: 'call', name: first.text, args: this.#args() };
    }
    const value = this.#operand();
    if (value.kind !== 'field') return value;
    const args = this.#args();
    return args.length === 0 ? value : { kind: 'method', of: value.of, name: value.name, args };
  }

  #args(): Expression[] {
    const args: Expression[] = [];
    for (let next = this.#peek(); next !== undefined && !isEnd(next); next = this.#peek()) args.push(this.#operand());
    return args;
  }

  #operand(): Expression {
    let value = this.#primary();
    for (let next = this.#peek(); next?.kind === 'field' && !next.text.startsWith(' '); next = this.#peek()) {
      value = { kind: 'field', of: value, name: next.text.slice(1) };
      this.#at += 1;
    }
    return value;
  }

  #primary(): Expression {
    const token = this.#peek();
    if (token === undefined) throw new TemplateError('missing value for command');
    this.#at += 1;
    if (token.kind === 'value') return { kind: 'literal', value: token.value };
    if (token.kind === 'variable') return { kind: 'variable', name: token.text };
    if (token.kind === 'field') return { kind: 'field', of: { kind: 'dot' }, name: token.text.trim().slice(1) };
    if (token.kind === 'word') return constantOrCall(token.text);
    if (token.text === '.') return { kind: 'dot' };
    if (token.text !== '(') throw new TemplateError(`unexpected ${shown(token)} in operand`);
    const inner = this.#pipe();
    if (!this.#mark(')')) throw new TemplateError('unclosed left paren');
    return inner;
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #mark(text: string): boolean {
    const token = this.#peek();
    if (token?.kind !== 'mark' || token.text !== text) return false;
    this.#at += 1;
    return true;
  }
}

function isConstant(word: string): boolean {
  return word === 'true' || word === 'false' || word === 'nil';
}

function constantOrCall(word: string): Expression {
  if (!isConstant(word)) return { kind: 'call', name: word, args: [] };
  return { kind: 'literal', value: word === 'nil' ? null : word === 'true' };
}

function isEnd(token: Token): boolean {
  return token.kind === 'mark' && (token.text === '|' || token.text === ')');
}

function shown(token: Token): string {
  return token.kind === 'value' ? JSON.stringify(token.value) : `<${token.text.trim()}>`;
}
