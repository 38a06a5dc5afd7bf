// Netlink as such: the codec, a socket that asks and is answered, errors with the kernel's own words. It knows no kinds of
// objects; the files beside this folder do.
export * from './codec.ts';
export * as uapi from './constants.ts';
export * from './errors.ts';
export * from './family.ts';
export * from './multicast.ts';
export * from './socket.ts';
