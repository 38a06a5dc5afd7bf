import { invalid } from '../../base/index.ts';

const IDENTIFIER = /^[a-zA-Z][a-zA-Z0-9_./-]*$/;

/**
 * A table, chain, set or map name for a script. nft's grammar has no quoted names there, so anything that is not a plain
 * identifier is refused. Words of the grammar (`fwd`, `ip`, …) pass this test and still break a script: generated names
 * carry a prefix.
 */
export function quoteName(name: string): string {
  if (!IDENTIFIER.test(name) || name.length > 127) {
    throw invalid('invalid_nft_name', `invalid nftables name: ${JSON.stringify(name)}`);
  }
  return name;
}

/**
 * A double-quoted string: interface names, comments, log prefixes. The grammar knows no escapes, so quotes, line ends and
 * NUL are refused; an asterisk at the end would make an interface name a wildcard.
 */
export function quoteString(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/["\\\x00-\x1f\x7f]/.test(text) || Buffer.byteLength(text) > 127) {
    throw invalid('invalid_nft_string', `invalid nftables string: ${JSON.stringify(text)}`);
  }
  return `"${text}"`;
}
