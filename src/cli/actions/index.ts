// What several commands do alike: a step for each name, inspection, confirmation, the flags of listings, pulling and
// the file of registry logins. Commands import this; it imports no command.
export { confirmed } from './confirm.ts';
export { forEachName } from './each.ts';
export { failureText } from './failure.ts';
export { INSPECT_FORMAT, inspectEach } from './inspection.ts';
export { filterFlag, LIST_FORMAT } from './listing-flags.ts';
export { printPulled, pullImage } from './pull-image.ts';
export { authFilePath, readAuthFile, registryAuth, serverKey, writeAuthFile } from './registry-auth.ts';
