import type { EngineEvent } from '../../model/index.ts';

/** One line of `GET /events`. Nanoseconds do not fit a JavaScript number, so that member is put in as text. */
export function encodeEvent(event: EngineEvent): string {
  const { type, action, id, attributes, scope, timeNanos } = event;
  const legacy =
    type === 'container' || type === 'image'
      ? { status: action, id, ...(type === 'container' && attributes.image ? { from: attributes.image } : {}) }
      : {};
  const body = {
    ...legacy,
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope,
    time: Number(timeNanos / 1_000_000_000n),
  };
  return `${JSON.stringify(body).slice(0, -1)},"timeNano":${timeNanos}}\n`;
}
