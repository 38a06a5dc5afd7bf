import { ConnectionError } from '../../client/index.ts';
import { type Context, ExitError, print, warn } from '../grammar/index.ts';
import { failureText } from './failure.ts';

/**
 * Does `work` for each name in turn and prints the name, or the text that `work` resolves with. A failure is reported
 * and does not keep the others from their turn; the exit code is 1 then.
 */
export async function forEachName(
  context: Context,
  names: readonly string[],
  work: (name: string) => Promise<string | undefined>,
): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      const text = await work(name);
      if (text !== undefined) print(context, text);
    } catch (error) {
      if (error instanceof ConnectionError || error instanceof ExitError) throw error;
      warn(context, failureText(error));
      code = 1;
    }
  }
  return code;
}
