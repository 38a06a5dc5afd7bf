// What happened, kept for a while: the one EventSink of the daemon, with its recent past and its subscribers. It stores
// nothing and knows no filter of the API; who asks for events decides what to show.
export * from './event-log.ts';
