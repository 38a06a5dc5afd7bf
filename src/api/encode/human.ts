import type { ContainerState } from '../../containers/contract.ts';

export const NEVER = '0001-01-01T00:00:00Z';

/** Docker's rough words for a length of time: `3 seconds`, `About an hour`. */
export function humanDuration(millis: number): string {
  const seconds = Math.floor(millis / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(millis / 3_600_000 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}

/** The STATUS column: `Up 5 minutes (healthy)`, `Exited (0) 3 seconds ago`. */
export function statusText(state: ContainerState, nowMs: number): string {
  const since = (time: string): string => humanDuration(Math.max(0, nowMs - Date.parse(time)));
  switch (state.status) {
    case 'paused':
      return `Up ${since(state.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case 'running':
      return `Up ${since(state.startedAt)}${healthText(state)}`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
    case 'exited':
      return state.finishedAt === NEVER ? '' : `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}

function healthText({ health }: ContainerState): string {
  if (!health || health.status === 'none') return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
}
