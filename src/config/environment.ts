const FIRST_INHERITED = 3;

/** Descriptors of the sockets that systemd opened for us (`fd://`), by its protocol of `LISTEN_PID` and `LISTEN_FDS`. */
export function inheritedSockets(
  env: Readonly<Record<string, string | undefined>> = process.env,
  pid: number = process.pid,
): readonly number[] {
  if (env.LISTEN_PID !== undefined && Number(env.LISTEN_PID) !== pid) return [];
  const count = Number(env.LISTEN_FDS ?? 0);
  return Number.isInteger(count) && count > 0 ? Array.from({ length: count }, (_, at) => FIRST_INHERITED + at) : [];
}

/** Where systemd wants to hear that we are ready (`Type=notify`). */
export function notifySocket(env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  return env.NOTIFY_SOCKET || undefined;
}
