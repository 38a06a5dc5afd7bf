// The forms of images, as pure values: names, configuration, manifests, platforms, media types, chain ids. Reads no
// store and no network; the names of the default registry are written here and nowhere else.
export * from './config.ts';
export * from './hub.ts';
export * from './manifest.ts';
export * from './reference.ts';
