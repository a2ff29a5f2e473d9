/** Holds the end of a run against what its file expects. */
import type { FenceLine } from './results.ts';
import type { EndState } from './run.ts';
import type { Expectation } from './scenario.ts';

/** Each expectation that is not met, in a sentence. */
export function unmet(
  expected: Expectation | undefined,
  end: EndState,
  fences: readonly FenceLine[],
): string[] {
  if (expected === undefined) return [];
  const problems: string[] = [];
  const want = (what: string, is: unknown, wanted: unknown): void => {
    const allowed = Array.isArray(wanted) ? wanted : [wanted];
    if (wanted !== undefined && !allowed.includes(is))
      problems.push(`${what} is ${is}, not ${allowed.join(' or ')}`);
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
    if (wanted.moves !== undefined) want(`the number of moves of ${name}`, guest.moves, wanted.moves);
  }
  for (const [name, wanted] of Object.entries(expected.hosts ?? {})) {
    const host = end.hosts[name];
    want(`the state of ${name}`, host?.state, wanted.state);
    want(`the power of ${name}`, host?.power, wanted.power);
  }
  want('the leader', end.leader, expected.leader);
  want('the number of fences', fences.length, expected.fences);
  return problems;
}
