import { authFilePath, readAuthFile, serverKey, writeAuthFile } from '../../actions/index.ts';
import { type Command, print } from '../../grammar/index.ts';

export const logout: Command = {
  usage: '[SERVER]',
  args: { min: 0, max: 1 },
  flags: [],
  async run(context, _flags, [server = '']) {
    const key = serverKey(server);
    const path = authFilePath(context.env);
    const file = readAuthFile(path);
    if (file.auths?.[key] === undefined) {
      print(context, `Not logged in to ${key}`);
      return 0;
    }
    const { [key]: _gone, ...auths } = file.auths;
    writeAuthFile(path, { ...file, auths });
    print(context, `Removing login credentials for ${key}`);
    return 0;
  },
};
