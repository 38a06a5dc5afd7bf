// Network namespaces: make, pin to a path, open, delete, and work inside one. Work inside is strictly synchronous: the
// whole event loop shares the thread, so the namespace must be left before anything else can run.
export * from './netns.ts';
export * from './run.ts';
