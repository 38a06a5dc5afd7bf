import { createInterface } from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import { authFilePath, readAuthFile, serverKey, writeAuthFile } from '../../actions/index.ts';
import { bool, type Command, type Context, print, text, warn } from '../../grammar/index.ts';

export const login: Command = {
  usage: '[OPTIONS] [SERVER]',
  args: { min: 0, max: 1 },
  flags: [
    text('password,p', 'Password or Personal Access Token (PAT)'),
    bool('password-stdin', 'Take the Password or Personal Access Token (PAT) from stdin'),
    text('username,u', 'Username'),
  ],
  async run(context, flags, [server = '']) {
    const username = flags.text('username') || (await ask(context, 'Username: '));
    if (username === '') throw new Error('username is required');
    const fromStdin = flags.bool('password-stdin');
    if (flags.given('password')) {
      if (fromStdin) throw new Error('--password and --password-stdin are mutually exclusive');
      warn(context, 'WARNING! Using --password via the CLI is insecure. Use --password-stdin.');
    }
    const password = fromStdin
      ? (await readAll(context.stdin)).replace(/\r?\n$/, '')
      : flags.text('password') || (await ask(context, 'Password: ', true));
    if (password === '') throw new Error('password is empty');
    const key = serverKey(server);
    const answer = await context.client.system.login({ username, password, serveraddress: key });
    const path = authFilePath(context.env);
    const file = readAuthFile(path);
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    const identity = answer.IdentityToken ? { identitytoken: answer.IdentityToken } : {};
    writeAuthFile(path, { ...file, auths: { ...file.auths, [key]: { auth, ...identity } } });
    print(context, answer.Status || 'Login Succeeded');
    return 0;
  },
};

async function ask(context: Context, question: string, secret = false): Promise<string> {
  if (context.stdin.isTTY !== true) throw new Error('cannot perform an interactive login from a non TTY device');
  context.stdout.write(question);
  // No output stream: what is typed in answer to the second question must not show.
  const echo = secret ? {} : { output: context.stdout };
  const dialogue = createInterface({ input: context.stdin, terminal: true, ...echo });
  try {
    return (await dialogue.question('')).trim();
  } finally {
    dialogue.close();
    if (secret) context.stdout.write('\n');
  }
}
