/** Holds the end of a run against what its file expects. */
import { parseDuration } from '../../base/duration.ts';
import type { Expectation } from './expectation.ts';
import type { FenceLine, RecoveryLine, TraceLine } from './results.ts';
import type { EndState } from './run.ts';

/** What came of a run. */
export type Outcome = {
  end: EndState;
  fences: readonly FenceLine[];
  recoveries: readonly RecoveryLine[];
  trace: readonly TraceLine[];
};

/** Each expectation that is not met, in a sentence. */
export function unmet(expected: Expectation | undefined, outcome: Outcome): string[] {
  if (expected === undefined) return [];
  const { end, fences, recoveries, trace } = outcome;
  const problems: string[] = [];
  const want = (what: string, is: unknown, wanted: unknown): void => {
    const allowed = Array.isArray(wanted) ? wanted : [wanted];
    if (wanted !== undefined && !allowed.includes(is))
      problems.push(`${what} is ${is}, not ${allowed.join(' or ')}`);
  };
  const wantPart = (what: string, is: string | undefined, wanted: string | undefined): void => {
    if (wanted !== undefined && is?.includes(wanted) !== true)
      problems.push(`${what} is ${is ?? 'not given'}, and does not say ${wanted}`);
  };
  const wantWithin = (guest: string, limit: string | undefined): void => {
    if (limit === undefined) return;
    const last = recoveries.findLast((recovery) => recovery.guest === guest);
    const seconds = last === undefined ? undefined : last.startedAt - last.faultAt;
    if (seconds === undefined) problems.push(`${guest} was not recovered`);
    else if (seconds * 1_000 > parseDuration(limit))
      problems.push(`${guest} ran ${seconds.toFixed(1)} s after its loss, not within ${limit}`);
  };
  for (const [name, wanted] of Object.entries(expected.guests ?? {})) {
    const guest = end.guests[name];
    if (guest === undefined) {
      problems.push(`there is no guest ${name}`);
      continue;
    }
    want(`the host of ${name}`, guest.host, wanted.host);
    want(`the state of ${name}`, guest.state, wanted.state);
    want(`running of ${name}`, guest.running, wanted.running);
    want(`the number of moves of ${name}`, guest.moves, wanted.moves);
    want(`the epoch of ${name}`, guest.epoch, wanted.epoch);
    const starts = trace.filter(({ event, object }) => event === 'Runs' && object === name).length;
    want(`the number of starts of ${name}`, starts, wanted.starts);
    wantPart(`the reason of ${name}`, guest.reason, wanted.reason);
    wantPart(`the refusal of ${name}`, guest.refusal, wanted.refusal);
    wantWithin(name, wanted.recoveredWithin);
  }
  for (const [name, wanted] of Object.entries(expected.hosts ?? {})) {
    const host = end.hosts[name];
    want(`the state of ${name}`, host?.state, wanted.state);
    want(`the power of ${name}`, host?.power, wanted.power);
  }
  want('the leader', end.leader, expected.leader);
  want('the number of fences', fences.length, expected.fences);
  const proofs = fences.map(({ method }) => method).join(', ');
  if (expected.proofs !== undefined) want('what proved ends', proofs, expected.proofs.join(', '));
  return problems;
}
