import type { Hijacked } from './connection/index.ts';
import { type Session, segment } from './session.ts';
import type { CreateExec } from './wire-containers.ts';

export class Execs {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  create(container: string, body: CreateExec): Promise<{ readonly Id: string }> {
    return this.#session.json('POST', `/containers/${segment(container)}/exec`, { body });
  }

  startDetached(id: string, options: { tty: boolean }): Promise<void> {
    return this.#session.send('POST', `/exec/${id}/start`, { body: { Detach: true, Tty: options.tty } });
  }

  start(
    id: string,
    options: { tty: boolean; size?: { rows: number; columns: number } | undefined },
  ): Promise<Hijacked> {
    const { tty, size } = options;
    const body = { Detach: false, Tty: tty, ConsoleSize: size === undefined ? undefined : [size.rows, size.columns] };
    return this.#session.hijack(`/exec/${id}/start`, { body });
  }

  resize(id: string, size: { rows: number; columns: number }): Promise<void> {
    return this.#session.send('POST', `/exec/${id}/resize`, { query: { h: size.rows, w: size.columns } });
  }

  inspect(id: string): Promise<{ readonly Running: boolean; readonly ExitCode: number | null }> {
    return this.#session.json('GET', `/exec/${id}/json`);
  }
}
