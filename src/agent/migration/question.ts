/** What the target of a move asks the source, and what that answers: only for a Migration that both are part of. */
import type { GuestState } from './state.ts';

/** What the target asks the source for. */
export type Question = {
  version: 1;
  migration: { uid: string; namespace: string; name: string };
  /** That the guest has on the source: of another stay nothing is sent. Earlier agents do not say it. */
  epoch?: number;
  want:
    | { type: 'State' }
    | { type: 'Volume'; name: string; pass: 'First' | 'Final'; bytesPerSecond?: number };
};

/** The answer's first line; for a volume its data follows. */
export type Answer = { ok: true; state?: GuestState } | { ok: false; reason: string; message: string };
