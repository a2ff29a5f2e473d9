/** Which of the migrations that wait may begin: those whose set is on its way, then by priority, then by age, within the limits of hosts and cluster. Pure. */

/** A migration that both hosts have been told of and that is not over. */
export type Move = { key: string; guest: string; source: string; target: string };

/** One that waits for its turn. `isParted`: others of its set have gone ahead. */
export type Waiting = {
  key: string;
  guest: string;
  source: string;
  priority: number;
  createdAt: string;
  isParted?: boolean;
};

/** How many guests may move at the same time. */
export type Limits = {
  leaving(host: string): number;
  arriving(host: string): number;
  inCluster: number;
};

/** What KubeVirt has found to be bearable: https://kubevirt.io/user-guide/compute/live_migration/#limits-and-timeouts */
export const DEFAULT_LIMITS = { leaving: 2, arriving: 2, inCluster: 5 };

/** Why `wanted` may not begin now, or undefined when it may. Those before it in the line that could begin take their places first. */
export function reasonToWait(
  wanted: Waiting,
  line: readonly Waiting[],
  moves: readonly Move[],
  limits: Limits,
): { reason: string; message: string } | undefined {
  const taken = moves.map(({ source, guest }) => ({ source, guest }));
  for (const candidate of line.toSorted(inTurn)) {
    const why = obstacle(candidate, taken, limits);
    if (candidate.key === wanted.key) return why;
    if (why === undefined) taken.push(candidate);
  }
  return obstacle(wanted, taken, limits);
}

/** Whether this host may be sent another guest now. */
export function mayArrive(target: string, moves: readonly Move[], { arriving }: Limits): boolean {
  return moves.filter((move) => move.target === target).length < arriving(target);
}

function obstacle(
  { guest, source }: Waiting,
  taken: readonly { source: string; guest: string }[],
  limits: Limits,
): { reason: string; message: string } | undefined {
  if (taken.some((other) => other.guest === guest)) {
    return { reason: 'GuestMoves', message: 'another migration of this guest goes first' };
  }
  if (taken.length >= limits.inCluster) {
    return {
      reason: 'Queued',
      message: `${guests(limits.inCluster, 'moves', 'move')} in the cluster already`,
    };
  }
  const leaving = limits.leaving(source);
  if (taken.filter((other) => other.source === source).length >= leaving) {
    return { reason: 'Queued', message: `${guests(leaving, 'leaves', 'leave')} ${source} already` };
  }
  return undefined;
}

function guests(count: number, one: string, many: string): string {
  return count === 1 ? `1 guest ${one}` : `${count} guests ${many}`;
}

/** Order of those that wait. */
export function inTurn(a: Waiting, b: Waiting): number {
  if (a.isParted !== b.isParted) return a.isParted === true ? -1 : 1;
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}
