/** What must never happen, looked at whenever something executes, is decided or is over. The model sees all hosts at once; nobody in it does. */
import type { Cluster } from '../cluster.ts';
import type { Hooks, Violation, Watch } from './contract.ts';
import { watchEnds } from './ends.ts';
import { watchExecution } from './execution.ts';
import { watchGuests } from './guests.ts';
import { watchHosts } from './hosts.ts';
import { watchTimes } from './times.ts';

export type Invariants = Hooks & { readonly violations: readonly Violation[] };

export function createInvariants(cluster: Cluster): Invariants {
  const violations: Violation[] = [];
  const told = new Set<string>();
  const violate = (invariant: string, detail: string): void => {
    if (told.has(`${invariant} ${detail}`)) return;
    told.add(`${invariant} ${detail}`);
    violations.push({ invariant, at: cluster.schedule.now() / 1_000, detail });
  };
  const parts: readonly Watch[] = [watchExecution, watchHosts, watchGuests, watchEnds, watchTimes].map(
    (watch) => watch(cluster, violate),
  );
  const each = (tell: (part: Watch) => void): void => {
    for (const part of parts) tell(part);
  };
  return {
    violations,
    event: (entry) => each((part) => part.event?.(entry)),
    executing: (host, started) => each((part) => part.executing?.(host, started)),
    hostDecided: (decision, before) => each((part) => part.hostDecided?.(decision, before)),
    guestDecided: (decision, before) => each((part) => part.guestDecided?.(decision, before)),
    fenceAsked: (fence) => each((part) => part.fenceAsked?.(fence)),
    agentBegan: (host) => each((part) => part.agentBegan?.(host)),
    moveBegan: (move, guest, from) => each((part) => part.moveBegan?.(move, guest, from)),
    atEnd: () => each((part) => part.atEnd?.()),
  };
}
