/** The fields of one line of comma separated values; a field may stand in double quotes. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  let field = '';
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (letter === '"') {
      if (quoted && text.charAt(at + 1) === '"') {
        field += '"';
        at += 1;
      } else {
        quoted = !quoted;
      }
    } else if (letter === ',' && !quoted) {
      fields.push(field);
      field = '';
    } else {
      field += letter;
    }
  }
  if (quoted) throw new Error('extraneous or missing " in quoted-field');
  return [...fields, field];
}

export function keyValue(field: string): { readonly key: string; readonly value: string | undefined } {
  const equals = field.indexOf('=');
  if (equals < 0) return { key: field.trim().toLowerCase(), value: undefined };
  return { key: field.slice(0, equals).trim().toLowerCase(), value: field.slice(equals + 1) };
}
