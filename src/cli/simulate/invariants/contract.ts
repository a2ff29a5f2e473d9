/** What the model tells those who look that nothing forbidden happens, and what they say when it does. */
import type { Decision, HostRecord } from '../../../cluster/ha/model.ts';
import type { StoredGuest, Versioned } from '../api.ts';
import type { SimHost } from '../host.ts';
import type { Entry } from '../scenario.ts';

/** `at` in seconds since the run began. */
export type Violation = { invariant: string; at: number; detail: string };
export type Violate = (invariant: string, detail: string) => void;

/** What happens in a run. Each part of the invariants listens to what it needs. */
export type Hooks = {
  /** Something of the timeline happens. */
  event(entry: Entry): void;
  /** Something executes or opens volumes on this host, or does so again; `started` has only just begun to execute. */
  executing(host: SimHost, started?: string): void;
  /** Before it is stored. */
  hostDecided(decision: Extract<Decision, { type: 'Host' }>, before: Versioned<HostRecord> | undefined): void;
  /** Before it is stored. */
  guestDecided(decision: Extract<Decision, { type: 'Guest' }>, before: Versioned<StoredGuest>): void;
  /** A device is to be used, under this name. */
  fenceAsked(fence: string): void;
  /** An agent begins, and knows nothing of what one before it had under way. */
  agentBegan(host: string): void;
  /** A source has begun to send its guest. */
  moveBegan(move: string, guest: string, from: string): void;
  /** The story is over. */
  atEnd(): void;
};
/** One part of the invariants. */
export type Watch = Partial<Hooks>;
