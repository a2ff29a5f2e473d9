/** One round of questions to the voters: how long ago each was acknowledged, by every table of votes that may count. */
import type { KeeperPorts, VoteTable } from './contract.ts';
import type { Ballot, PeerAnswer } from './deadline.ts';

/** When each host was last heard, by the boot clock. */
export type Hearing = Map<string, number>;

/** Resolves within `timeoutMs`; who has not answered by then is missing. */
export async function askPeers(
  { ask, clock }: Pick<KeeperPorts, 'ask' | 'clock'>,
  round: { host: string; tables: readonly VoteTable[]; timeoutMs: number },
  hearing: Hearing,
): Promise<Ballot[]> {
  const { host, tables, timeoutMs } = round;
  const ages = new Map<string, number | undefined>();
  const voters = new Set(tables.flatMap(({ votes }) => Object.keys(votes)));
  voters.delete(host);
  const over = clock.sleep(timeoutMs);
  const answers = [...voters].map(async (name) => {
    const { ageMs } = await ask(name, timeoutMs);
    hearing.set(name, clock.monotonic());
    ages.set(name, ageMs);
  });
  await Promise.race([Promise.allSettled(answers), over]);
  // What comes later is not part of this round.
  const given = new Map(ages);
  return tables.map(({ votes }) => {
    const of = (name: string) => votes[name] ?? 0;
    const heard = [...given].map(([name, ageMs]): PeerAnswer => ({ votes: of(name), ageMs }));
    const total = Object.values(votes).reduce((sum, count) => sum + count, 0);
    return { answers: heard, self: of(host), total };
  });
}
