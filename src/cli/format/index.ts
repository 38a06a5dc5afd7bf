// Text for people: tables, Go templates for --format, sizes and ages, in the stock client's spelling. Pure: it reads
// no clock (callers hand in the time) and writes to no stream.
export { alignColumns, type ColumnOptions } from './columns.ts';
export { type ListingOptions, listing, type Row, unescaped } from './listing.ts';
export { portsText } from './ports-text.ts';
export { compileTemplate, type Template } from './template.ts';
export { goJson } from './template-functions.ts';
export { TemplateError } from './template-lexer.ts';
export { ago, binarySize, ellipsis, goTime, humanDuration, humanSize, shortDigest } from './units.ts';
