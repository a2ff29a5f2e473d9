/**
 * Who counts when hosts are judged. The table changes by one host at a time, and the one before stays beside it until every host that may still
 * run something counts by the new one: else those who excuse a silent host and those who wait for its end might not share a voter. Pure.
 */
import type { ClusterPolicyStatus } from '../../api/kinds/clusterPolicy.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import { removeCondition, setCondition } from '../../runtime/conditions.ts';

export type Votes = NonNullable<ClusterPolicyStatus['votes']>;

type Voter = Votes['voters'][number];

/** More voters would only make majorities slower, unless somebody asks for them. Witnesses come first: to vote is all they are for. */
const USUAL_VOTERS = 7;
/** As many as a ClusterPolicy holds. */
const MOST_VOTERS = 64;

/** Of the ClusterPolicy; there while it is true. */
const VOTELESS = 'NoHostVotes';

export type VoteFacts = {
  hosts: readonly Stored<Host>[];
  /** Version each host's Lease states; hosts without a keeper state none. */
  stated: ReadonlyMap<string, number>;
  /** Hosts that are heard. */
  alive: ReadonlySet<string>;
};

/** The next table; the same object when it stays. */
export function nextVotes(votes: Votes | undefined, { hosts, stated, alive }: VoteFacts): Votes {
  const wanted = wantedOf(hosts);
  // Above everything a host may still count by from a policy that was deleted: by that it excuses nobody.
  if (votes === undefined) return { version: Math.max(0, ...stated.values()) + 1, voters: wanted };
  const isShown = hosts.every(
    (host) => isProven(host) || (stated.get(nameOf(host)) ?? votes.version) === votes.version,
  );
  if (!isShown) return votes;
  if (votes.former !== undefined) return { version: votes.version, voters: votes.voters };
  const { voters: before } = votes;
  const next =
    withoutDeleted(before, hosts, wanted) ??
    [withoutOne, withNewcomer, withOtherVotes]
      .map((change) => change(before, wanted))
      .find((voters) => voters !== undefined && isHeld(voters, alive));
  if (next === undefined || next.length === 0) return votes;
  return { version: votes.version + 1, voters: next, former: before };
}

/**
 * Without one whose Host was deleted: it will not be heard again, and its vote may be what others lack to be more than half. When nobody else votes
 * the first of the others takes its place.
 */
function withoutDeleted(
  voters: readonly Voter[],
  hosts: readonly Stored<Host>[],
  wanted: readonly Voter[],
): Voter[] | undefined {
  const known = new Set(hosts.map(nameOf));
  const kept = voters.filter(({ name }) => known.has(name));
  return kept.length > 0 ? withoutOne(voters, kept) : wanted.slice(0, 1);
}

/** More than half of these votes are of hosts that are heard: others would leave nobody who could judge. */
function isHeld(voters: readonly Voter[], alive: ReadonlySet<string>): boolean {
  const sum = (some: readonly Voter[]) => some.reduce((total, { votes }) => total + votes, 0);
  return sum(voters.filter(({ name }) => alive.has(name))) > sum(voters) / 2;
}

/** Says when every Host is to have no vote: then they vote as if none of them had said so. */
export function withVoteless(
  conditions: readonly Condition[],
  hosts: readonly Stored<Host>[],
  at: { now: number; generation: number | undefined },
): Condition[] {
  if (hosts.length === 0 || hosts.some(({ spec }) => spec.votes !== 0))
    return removeCondition(conditions, VOTELESS);
  const message = 'spec.votes of every Host is 0, and counts as if it was absent: give one of them a vote';
  return setCondition(conditions, { type: VOTELESS, status: 'True', reason: 'AllZero', message }, at);
}

/** What people ask for, and of those of which nobody says anything as many as are usual. */
function wantedOf(hosts: readonly Stored<Host>[]): Voter[] {
  const all = byAge(hosts);
  const asked = all.flatMap(({ metadata: { name }, spec: { votes = 0 } }) =>
    votes > 0 ? [{ name, votes }] : [],
  );
  const silent = all.filter(({ spec }) => spec.votes === undefined);
  const others = silent.length === 0 && asked.length === 0 ? all : silent;
  const usual = others.slice(0, Math.max(0, USUAL_VOTERS - asked.length)).map((host) => vote(nameOf(host)));
  return [...usual, ...asked].slice(0, MOST_VOTERS);
}

function withoutOne(voters: readonly Voter[], wanted: readonly Voter[]): Voter[] | undefined {
  const names = new Set(wanted.map(({ name }) => name));
  const gone = voters.find(({ name }) => !names.has(name));
  return gone === undefined ? undefined : voters.filter((voter) => voter !== gone);
}

function withNewcomer(voters: readonly Voter[], wanted: readonly Voter[]): Voter[] | undefined {
  const known = new Set(voters.map(({ name }) => name));
  const next = wanted.find(({ name }) => !known.has(name));
  return next === undefined ? undefined : [...voters, next];
}

function withOtherVotes(voters: readonly Voter[], wanted: readonly Voter[]): Voter[] | undefined {
  const votes = new Map(wanted.map((voter) => [voter.name, voter.votes]));
  const other = voters.find(({ name, votes: has }) => (votes.get(name) ?? has) !== has);
  if (other === undefined) return undefined;
  return voters.map((voter) =>
    voter === other ? { ...voter, votes: votes.get(voter.name) ?? voter.votes } : voter,
  );
}

function vote(name: string): Voter {
  return { name, votes: 1 };
}

function isProven({ status }: Stored<Host>): boolean {
  return status?.ha?.proof !== undefined && (status.ha.state === 'Fenced' || status.ha.state === 'Offline');
}

function nameOf({ metadata }: Stored<Host>): string {
  return metadata.name;
}

function byAge(hosts: readonly Stored<Host>[]): Stored<Host>[] {
  const born = ({ metadata, status }: Stored<Host>) =>
    `${status?.witness === true ? '0' : '1'} ${metadata.creationTimestamp ?? ''}`;
  return hosts.toSorted((a, b) =>
    born(a) === born(b) ? (nameOf(a) < nameOf(b) ? -1 : 1) : born(a) < born(b) ? -1 : 1,
  );
}
