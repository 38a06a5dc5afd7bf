// DNS messages on plain buffers: queries read, answers written, life times of answers. Pure; it must not know who asks or
// who answers.
export * from './answer.ts';
export * from './lifetime.ts';
export * from './message.ts';
