/**
 * Turns: how the one thread is shared between clients. Requests begin in rounds between which the event loop looks at the
 * network again; a round takes a few requests, client by client, and one slice of a long list. So a storm of one client
 * costs another at most one round, and whatever a list takes, nobody waits for more than a slice of it.
 */
import { tooManyRequests } from '../status.ts';

/** `request` is the beginning of a request, `slice` about two milliseconds of a long answer. */
export type TurnKind = 'request' | 'slice';

/** Gives turns. */
export type Turns = {
  /** Resolves when it is this client's turn; throws 429 when too much of it waits already. */
  take(client: string, kind: TurnKind): Promise<void>;
};

/** How much is begun in one round, and how much of one client may wait for a turn. */
export type TurnLimits = { requests: number; slices: number; waiting: number };

/** A request takes a third of a millisecond, so a round stays well below five. */
export const defaultTurnLimits: TurnLimits = { requests: 6, slices: 1, waiting: 16_000 };

/** Starts with nobody waiting. `nextRound` calls once the event loop has looked at the network: setImmediate. */
export function createTurns(
  limits: TurnLimits = defaultTurnLimits,
  nextRound: (run: () => void) => void = setImmediate,
): Turns {
  const lines = {
    request: createLine(limits.requests, limits.waiting),
    slice: createLine(limits.slices, limits.waiting),
  };
  let scheduled = false;

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    nextRound(() => {
      scheduled = false;
      const busy = [lines.request, lines.slice].filter((line) => line.round());
      if (busy.length > 0) schedule();
    });
  }

  return {
    take: async (client, kind) => {
      const turn = lines[kind].join(client);
      schedule();
      return turn;
    },
  };
}

/** One line of waiting clients. `round` lets the next ones go; false when it had nothing to do. */
type Line = { join(client: string): Promise<void> | undefined; round(): boolean };

function createLine(perRound: number, waitingLimit: number): Line {
  /** By client, in the order of their next turns. */
  const queues = new Map<string, Queue>();
  let left = perRound;

  function letGo(): void {
    const [first] = queues;
    if (first === undefined) return;
    const [client, queue] = first;
    queues.delete(client);
    if (queue.size() > 1) queues.set(client, queue);
    left--;
    queue.shift()?.();
  }

  return {
    join: (client) => {
      if (left > 0 && queues.size === 0) {
        left--;
        return undefined;
      }
      const queue = queues.get(client) ?? createQueue();
      if (queue.size() >= waitingLimit) throw tooManyRequests();
      queues.set(client, queue);
      return new Promise<void>((resolve) => queue.push(resolve));
    },
    round: () => {
      const used = left < perRound;
      left = perRound;
      while (left > 0 && queues.size > 0) letGo();
      return used || queues.size > 0 || left < perRound;
    },
  };
}

type Queue = { push(start: () => void): void; shift(): (() => void) | undefined; size(): number };

/** First in, first out, without moving thousands of members at each step. */
function createQueue(): Queue {
  let members: (() => void)[] = [];
  let head = 0;
  return {
    push: (start) => {
      members.push(start);
    },
    shift: () => {
      const first = members[head];
      head++;
      if (head > 1024 && head * 2 > members.length) {
        members = members.slice(head);
        head = 0;
      }
      return first;
    },
    size: () => members.length - head,
  };
}

/** Who shares turns with whom: each user has its own, and leases theirs beside its other requests. */
export function laneOf(userName: string, target: { group: string; resource: string } | undefined): string {
  const leases = target?.group === 'coordination.k8s.io' && target.resource === 'leases';
  return leases ? `leases ${userName}` : userName;
}
