/** What happened, as `GET /events` tells it. */
export interface EngineEvent {
  readonly type: 'container' | 'network' | 'image' | 'volume' | 'daemon';
  /** `create`, `start`, `die`, `exec_create: sh`, `connect`, … */
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly scope: 'local' | 'global';
  readonly timeNanos: bigint;
}

/** The one place events come from. */
export interface EventSink {
  publish(event: Omit<EngineEvent, 'timeNanos' | 'scope'> & { readonly scope?: EngineEvent['scope'] }): void;
}
