/**
 * Turns: how the one thread is shared between clients. What short requests do is begun in rounds of a few, client by client; a long answer
 * goes on by one slice in a round of its own. Between any two rounds the event loop looks at the network and at what has become durable. So
 * a storm of one client costs another at most one round, and whatever lists take, a request that waits is passed by one slice.
 */
import { tooManyRequests } from '../status.ts';

/** `request` is the beginning of a short request, `slice` about two milliseconds of a long answer, its beginning too. */
export type TurnKind = 'request' | 'slice';

/** Gives turns. */
export type Turns = {
  /** Resolves when it is this client's turn; throws 429 when too much of it waits already. */
  take(client: string, kind: TurnKind): Promise<void>;
};

/** How many requests are begun in one round, and how much of one client may wait for a turn. */
export type TurnLimits = { requests: number; waiting: number };

/** A request takes a third of a millisecond, so a round stays well below five. */
export const defaultTurnLimits: TurnLimits = { requests: 6, waiting: 16_000 };

/** Starts with nobody waiting. `nextRound` calls once the event loop has looked at the network: setImmediate. */
export function createTurns(
  limits: TurnLimits = defaultTurnLimits,
  nextRound: (run: () => void) => void = setImmediate,
): Turns {
  const requests = createLine(limits.waiting);
  const slices = createLine(limits.waiting);
  /** Requests that may still begin before the next round. */
  let left = limits.requests;
  let requestsWent = false;
  let scheduled = false;

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    nextRound(() => {
      scheduled = false;
      round();
      if (left < limits.requests || !requests.isEmpty() || !slices.isEmpty()) schedule();
    });
  }

  /** Requests that wait go first, but not twice in a row where a slice waits too: lists go on under whatever load. */
  function round(): void {
    left = limits.requests;
    if (requests.isEmpty() || (requestsWent && !slices.isEmpty())) {
      requestsWent = false;
      slices.letGo();
      return;
    }
    requestsWent = true;
    for (; left > 0 && !requests.isEmpty(); left--) requests.letGo();
  }

  return {
    take: async (client, kind) => {
      schedule();
      // A slice is never begun while events of the network are still looked at: a request may be among them.
      if (kind === 'slice') return slices.join(client);
      if (left === 0 || !requests.isEmpty()) return requests.join(client);
      left--;
    },
  };
}

/** One line of waiting clients. */
type Line = {
  /** Resolves when it is this client's turn; throws 429. */
  join(client: string): Promise<void>;
  /** Lets the next one go. */
  letGo(): void;
  isEmpty(): boolean;
};

function createLine(waitingLimit: number): Line {
  /** By client, in the order of their next turns. */
  const queues = new Map<string, Queue>();
  return {
    join: (client) => {
      const queue = queues.get(client) ?? createQueue();
      if (queue.size() >= waitingLimit) throw tooManyRequests();
      queues.set(client, queue);
      return new Promise<void>((resolve) => queue.push(resolve));
    },
    letGo: () => {
      const [first] = queues;
      if (first === undefined) return;
      const [client, queue] = first;
      queues.delete(client);
      if (queue.size() > 1) queues.set(client, queue);
      queue.shift()?.();
    },
    isEmpty: () => queues.size === 0,
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
