import { createInterface } from 'node:readline/promises';
import type { Context } from '../grammar/index.ts';

/** Asks before something is thrown away; anything but yes, and the end of input, mean no. */
export async function confirmed(context: Context, question: string): Promise<boolean> {
  const dialogue = createInterface({ input: context.stdin, output: context.stdout });
  const closed = new Promise<string>((resolve) => dialogue.once('close', () => resolve('')));
  try {
    const answer = await Promise.race([dialogue.question(`${question} [y/N] `), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    dialogue.close();
  }
}
