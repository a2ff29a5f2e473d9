/**
 * Who counts when hosts are judged. The table changes by one host at a time, and the one before stays beside it until every host that may still
 * run something counts by the new one: else those who excuse a silent host and those who wait for its end might not share a voter. Pure.
 */
import type { ClusterPolicyStatus } from '../../api/kinds/clusterPolicy.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';

export type Votes = NonNullable<ClusterPolicyStatus['votes']>;

/** More voters would only make majorities slower. Witnesses come first: to vote is all they are for. */
const MOST_VOTERS = 7;

export type VoteFacts = {
  hosts: readonly Stored<Host>[];
  /** Version each host's Lease states; hosts without a keeper state none. */
  stated: ReadonlyMap<string, number>;
};

/** The next table; the same object when it stays. */
export function nextVotes(votes: Votes | undefined, { hosts, stated }: VoteFacts): Votes {
  const wanted = byAge(hosts).slice(0, MOST_VOTERS);
  // Above everything a host may still count by from a policy that was deleted: by that it excuses nobody.
  if (votes === undefined) return { version: Math.max(0, ...stated.values()) + 1, voters: wanted.map(vote) };
  const isShown = hosts.every(
    (host) => isProven(host) || (stated.get(nameOf(host)) ?? votes.version) === votes.version,
  );
  if (!isShown) return votes;
  if (votes.former !== undefined) return { version: votes.version, voters: votes.voters };
  const names = new Set(wanted);
  const gone = votes.voters.find(({ name }) => !names.has(name));
  const voters =
    gone === undefined
      ? newcomer(votes.voters, wanted)
      : votes.voters.filter(({ name }) => name !== gone.name);
  if (voters === undefined || voters.length === 0) return votes;
  return { version: votes.version + 1, voters, former: votes.voters };
}

function newcomer(voters: Votes['voters'], wanted: readonly string[]): Votes['voters'] | undefined {
  const known = new Set(voters.map(({ name }) => name));
  const name = wanted.find((one) => !known.has(one));
  return name === undefined ? undefined : [...voters, vote(name)];
}

function vote(name: string): Votes['voters'][number] {
  return { name, votes: 1 };
}

function isProven({ status }: Stored<Host>): boolean {
  return status?.ha?.proof !== undefined && (status.ha.state === 'Fenced' || status.ha.state === 'Offline');
}

function nameOf({ metadata }: Stored<Host>): string {
  return metadata.name;
}

function byAge(hosts: readonly Stored<Host>[]): string[] {
  const born = ({ metadata, status }: Stored<Host>) =>
    `${status?.witness === true ? '0' : '1'} ${metadata.creationTimestamp ?? ''}`;
  return hosts
    .toSorted((a, b) => (born(a) === born(b) ? (nameOf(a) < nameOf(b) ? -1 : 1) : born(a) < born(b) ? -1 : 1))
    .map(nameOf);
}
