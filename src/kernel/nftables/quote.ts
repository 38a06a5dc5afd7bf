import { invalid } from '../../base/index.ts';

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
