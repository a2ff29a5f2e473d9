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

/** Of the ClusterPolicy; there while they are true. */
const VOTELESS = 'NoHostVotes';
const WAITING = 'VotesWaiting';
/** Named in one message. */
const MOST_NAMED = 8;

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
  if (behind(votes, { hosts, stated }).length > 0) return votes;
  if (votes.former !== undefined) return { version: votes.version, voters: votes.voters };
  const { voters: before } = votes;
  const next =
    withoutDeleted(before, hosts, wanted) ??
    changesTo(before, wanted).find((voters) => isHeld(voters, alive));
  if (next === undefined || next.length === 0) return votes;
  return { version: votes.version + 1, voters: next, former: before };
}

/** Hosts that may still run something, and count by another table than this. */
function behind(votes: Votes, { hosts, stated }: Pick<VoteFacts, 'hosts' | 'stated'>): string[] {
  return hosts.flatMap((host) => {
    const isShown = isProven(host) || (stated.get(nameOf(host)) ?? votes.version) === votes.version;
    return isShown ? [] : [nameOf(host)];
  });
}

/** Each by one host, in the order in which they are to come. */
function changesTo(before: readonly Voter[], wanted: readonly Voter[]): Voter[][] {
  return [withoutOne, withNewcomer, withOtherVotes].flatMap((change) => {
    const voters = change(before, wanted);
    return voters === undefined ? [] : [voters];
  });
}

/** Why a change of votes goes no further, and by which hosts; undefined: none is under way or to come. */
export function votesWait(votes: Votes, { hosts, stated, alive }: VoteFacts): Waiting | undefined {
  const isToCome = changesTo(votes.voters, wantedOf(hosts)).length > 0;
  if (votes.former === undefined && !isToCome) return undefined;
  const late = behind(votes, { hosts, stated });
  if (late.length > 0) {
    const [heard, silent] = [late.filter((name) => alive.has(name)), late.filter((name) => !alive.has(name))];
    const why = [
      ...said(
        silent,
        'not heard, may still count by those before: start it, or delete its Host if it is gone for good',
      ),
      ...said(heard, 'heard, and does not count by them yet: see that its keeper and the API server answer'),
    ];
    return {
      reason: 'HostsBehind',
      message: `the next change waits until every host counts by these votes; ${why.join('; ')}`,
    };
  }
  const silent = votes.voters.map(({ name }) => name).filter((name) => !alive.has(name));
  if (votes.former !== undefined || silent.length === 0) return undefined;
  const why = said(silent, 'not heard: start it, or delete its Host if it is gone for good');
  return {
    reason: 'NoMajority',
    message: `the next change would leave those who are heard no majority; ${why.join('; ')}`,
  };
}

export type Waiting = { reason: 'HostsBehind' | 'NoMajority'; message: string };

function said(names: readonly string[], what: string): string[] {
  const others = names.length > MOST_NAMED ? ' and others' : '';
  return names.length === 0 ? [] : [`${names.slice(0, MOST_NAMED).join(', ')}${others}: ${what}`];
}

/** Says what a change of votes waits for. */
export function withVotesWaiting(
  conditions: readonly Condition[],
  waiting: Waiting | undefined,
  at: { now: number; generation: number | undefined },
): Condition[] {
  return waiting === undefined
    ? removeCondition(conditions, WAITING)
    : setCondition(conditions, { type: WAITING, status: 'True', ...waiting }, at);
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
