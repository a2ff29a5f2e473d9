/** What a run has brought: fences, recoveries, moves and a trace, in the words of the JSON output. Times are seconds. */
import type { Decision, HostRecord } from '../../cluster/ha/model.ts';
import type { StoredGuest } from './api.ts';
import type { Schedule } from './schedule.ts';

export type TraceLine = {
  at: number;
  actor: string;
  event: string;
  object: string;
  from?: string;
  to?: string;
  reason?: string;
};
export type FenceLine = {
  host: string;
  suspectedAt: number;
  fencedAt: number;
  method: string;
  proof: string;
};
export type RecoveryLine = { guest: string; from: string; to: string; faultAt: number; startedAt: number };
export type MoveLine = {
  at: number;
  guest: string;
  how: 'Live' | 'Offline';
  from: string;
  to: string;
  result: 'Succeeded' | 'Failed' | 'Running';
};

export type Results = {
  readonly lines: readonly TraceLine[];
  readonly fences: readonly FenceLine[];
  readonly recoveries: readonly RecoveryLine[];
  readonly moves: readonly MoveLine[];
  trace(
    actor: string,
    event: string,
    object: string,
    detail?: { from?: string; to?: string; reason?: string },
  ): void;
  /** The timeline took this host away. */
  fault(host: string): void;
  started(guest: string, host: string, stored: StoredGuest): void;
  hostDecided(decision: Extract<Decision, { type: 'Host' }>, before: HostRecord | undefined): void;
  guestDecided(decision: Extract<Decision, { type: 'Guest' }>, before: StoredGuest): void;
  moveBegan(move: string, guest: string, isLive: boolean, from: string, to: string): void;
  moveEnded(move: string, result: 'Succeeded' | 'Failed'): void;
};

export function createLedgerOfResults(schedule: Schedule): Results {
  const trace: TraceLine[] = [];
  const fences: FenceLine[] = [];
  const recoveries: RecoveryLine[] = [];
  const moves = new Map<string, MoveLine>();
  const faults = new Map<string, number>();
  const suspected = new Map<string, number>();
  const lost = new Map<string, string>();
  const now = () => Math.round(schedule.now()) / 1_000;

  return {
    lines: trace,
    fences,
    recoveries,
    get moves() {
      return [...moves.values()];
    },
    trace: (actor, event, object, detail = {}) => trace.push({ at: now(), actor, event, object, ...detail }),
    fault: (host) => faults.set(host, now()),
    started: (guest, host) => {
      const from = lost.get(guest);
      trace.push({ at: now(), actor: host, event: 'Runs', object: guest });
      if (from === undefined) return;
      lost.delete(guest);
      recoveries.push({ guest, from, to: host, faultAt: faults.get(from) ?? now(), startedAt: now() });
    },
    hostDecided: ({ host, record }, before) => {
      if (record.state === 'Suspect') suspected.set(host, now());
      const { proof } = record;
      if (proof === undefined || before?.proof?.kind === proof.kind) return;
      const suspectedAt = suspected.get(host) ?? now();
      fences.push({ host, suspectedAt, fencedAt: now(), method: proof.kind, proof: proof.incident });
    },
    guestDecided: ({ guest, record }, before) => {
      const host = before.record.placement?.host;
      const isLost = record.state === 'Recovering' || record.state === 'Frozen';
      if (isLost && host !== undefined && !lost.has(guest)) lost.set(guest, host);
    },
    moveBegan: (move, guest, isLive, from, to) =>
      moves.set(move, { at: now(), guest, how: isLive ? 'Live' : 'Offline', from, to, result: 'Running' }),
    moveEnded: (move, result) => {
      const known = moves.get(move);
      if (known !== undefined) known.result = result;
    },
  };
}
