/** The template, or what it was applied to, makes no sense. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

export type Piece = { readonly text: string } | { readonly action: readonly Token[] };

export type Token =
  | { readonly kind: 'word' | 'field' | 'variable' | 'mark'; readonly text: string }
  | { readonly kind: 'value'; readonly value: string | number };

const TOKEN =
  /\s*(?:("(?:[^"\\]|\\.)*")|`([^`]*)`|'(?:([^'\\])|\\(.))'|(-?\d+(?:\.\d+)?)|(\$[A-Za-z0-9_]*)|(\.[A-Za-z_][A-Za-z0-9_]*)|([A-Za-z_][A-Za-z0-9_]*)|(:=|[().|,=]))/y;

/** Splits a template at its `{{…}}` and each action into tokens; `{{-` and `-}}` eat the white space beside them. */
export function splitTemplate(source: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let eatNext = false;
  while (at < source.length) {
    const open = source.indexOf('{{', at);
    let text = open < 0 ? source.slice(at) : source.slice(at, open);
    if (eatNext) text = text.trimStart();
    if (open < 0) {
      pieces.push({ text });
      break;
    }
    const close = actionEnd(source, open + 2);
    let inner = source.slice(open + 2, close);
    if (/^-\s/.test(inner)) {
      text = text.trimEnd();
      inner = inner.slice(1);
    }
    eatNext = /\s-$/.test(inner);
    if (eatNext) inner = inner.slice(0, -1);
    if (text !== '') pieces.push({ text });
    if (!/^\s*\/\*[\s\S]*\*\/\s*$/.test(inner)) pieces.push({ action: tokens(inner) });
    at = close + 2;
  }
  return pieces;
}

function actionEnd(source: string, from: number): number {
  let quote = '';
  for (let at = from; at < source.length; at += 1) {
    const letter = source.charAt(at);
    if (quote !== '') {
      if (letter === '\\' && quote === '"') at += 1;
      else if (letter === quote) quote = '';
    } else if (letter === '"' || letter === '`') {
      quote = letter;
    } else if (source.startsWith('}}', at)) {
      return at;
    }
  }
  throw new TemplateError('unclosed action');
}

function tokens(action: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (action.slice(TOKEN.lastIndex).trim() !== '') {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(action);
    if (match === null) {
      const bad = action.slice(from).trim().charAt(0);
      throw new TemplateError(`unexpected ${JSON.stringify(bad)} in command`);
    }
    found.push(tokenOf(match, /^\s/.test(match[0])));
  }
  return found;
}

function tokenOf(match: RegExpExecArray, spaced: boolean): Token {
  const [, quoted, raw, char, escaped, number, variable, field, word, mark] = match;
  if (quoted !== undefined) return { kind: 'value', value: unquote(quoted) };
  if (raw !== undefined) return { kind: 'value', value: raw };
  if (char !== undefined || escaped !== undefined) {
    return { kind: 'value', value: (char ?? unquote(`"\\${escaped}"`)).codePointAt(0) ?? 0 };
  }
  if (number !== undefined) return { kind: 'value', value: Number(number) };
  if (variable !== undefined) return { kind: 'variable', text: variable };
  // A field glued to what stands before it belongs to that; a spaced one starts anew from the dot.
  if (field !== undefined) return { kind: 'field', text: spaced ? ` ${field}` : field };
  if (word !== undefined) return { kind: 'word', text: word };
  return { kind: 'mark', text: mark ?? '' };
}

function unquote(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    throw new TemplateError(`invalid syntax in ${quoted}`);
  }
}
