// For tests only: containers on fakes of containerd, images and networks, and a clock that is moved by hand. Nothing
// outside tests imports it.
export * from './fakes.ts';
export * from './setup.ts';
