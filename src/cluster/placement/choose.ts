/** From what each host says to the host that takes the guest, or to the reasons why none does. Pure. */

/** What one host says. `score` from 0 to 1; `guests` placed there settle equal scores. */
export type Verdict = { host: string } & (
  | { fits: true; score: number; guests: number }
  | { fits: false; filter: string; reason: string }
);

export type Choice = { host: string } | { reason: string; message: string };

/** So many hosts are named in a message. */
const NAMED = 8;

/** Equal inputs give equal answers: ties go to the host with fewer guests, then by name. `wanted` is the one host the guest names. */
export function choiceOf(verdicts: readonly Verdict[], wanted?: string): Choice {
  if (wanted !== undefined && !verdicts.some(({ host }) => host === wanted)) {
    return { reason: 'HostNotFound', message: `spec.placement.host: there is no Host ${wanted}` };
  }
  let best: Extract<Verdict, { fits: true }> | undefined;
  for (const verdict of verdicts) {
    if (verdict.fits && (best === undefined || isBetter(verdict, best))) best = verdict;
  }
  if (best !== undefined) return { host: best.host };
  if (verdicts.length === 0) return { reason: 'NoHosts', message: 'there is no Host yet' };
  return { reason: 'NoHostFits', message: reasonsOf(verdicts, wanted) };
}

type Fitting = Pick<Extract<Verdict, { fits: true }>, 'host' | 'score' | 'guests'>;

/** Equal scores go to the host with fewer guests, then by name. */
export function isBetter(a: Fitting, b: Fitting): boolean {
  return a.score === b.score ? breaksTie(a.host, a.guests, b.host, b.guests) : a.score > b.score;
}

/** Whether the first of two hosts with equal scores is the better one. */
export function breaksTie(host: string, guests: number, other: string, guestsThere: number): boolean {
  return guests === guestsThere ? host < other : guests < guestsThere;
}

type Refused = Extract<Verdict, { fits: false }>;

/** Each host's reason, as many as one reads; a reason that is rarer than others is not lost among them. */
export function reasonsOf(verdicts: readonly Verdict[], wanted?: string): string {
  const firsts = new Map<string, Refused>();
  const others: Refused[] = [];
  let count = 0;
  for (const verdict of verdicts) {
    if (verdict.fits || (wanted !== undefined && verdict.host !== wanted)) continue;
    count += 1;
    if (!firsts.has(verdict.reason)) firsts.set(verdict.reason, verdict);
    else if (others.length < NAMED) others.push(verdict);
  }
  const named = [...firsts.values(), ...others].slice(0, NAMED).sort((a, b) => (a.host < b.host ? -1 : 1));
  const text = named.map(({ host, reason }) => `${host} ${reason}`).join('; ');
  return count > NAMED ? `${text}; others too: see kubectl vireo explain` : text;
}
