import { describe, expect, it } from 'vitest';
import type { Host } from '../../../../src/api/kinds/host.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import * as votes from '../../../../src/cluster/recovery/votes.ts';
import { host } from '../builders.ts';
import { createHaLab } from './haLab.ts';

type Votes = votes.Votes;
const { withVoteless } = votes;

/** All hosts are heard unless a story says otherwise. */
function nextVotes(
  before: Votes | undefined,
  { alive, ...facts }: Omit<votes.VoteFacts, 'alive'> & { alive?: ReadonlySet<string> },
): Votes {
  return votes.nextVotes(before, {
    ...facts,
    alive: alive ?? new Set(facts.hosts.map(({ metadata }) => metadata.name)),
  });
}

const born = (name: string, minute: number, ha?: NonNullable<Host['status']>['ha']): Stored<Host> =>
  host(name, ha === undefined ? {} : { ha }, {
    creationTimestamp: `2026-01-01T00:${String(minute).padStart(2, '0')}:00Z`,
  });
const names = ({ voters }: Pick<Votes, 'voters'>) => voters.map(({ name }) => name).join('');
const table = (version: number, voters: string, former?: string): Votes => ({
  version,
  voters: [...voters].map((name) => ({ name, votes: 1 })),
  ...(former === undefined ? {} : { former: [...former].map((name) => ({ name, votes: 1 })) }),
});
const all = (hosts: string, version: number) => new Map([...hosts].map((name) => [name, version]));

describe('votes', () => {
  it('belong to the first seven hosts by age', () => {
    const hosts = [...'ihgfedcba'].map((name, minute) => born(name, minute));
    expect(names(nextVotes(undefined, { hosts, stated: new Map() }))).toBe('ihgfedc');
  });

  it('belong to witnesses before all others, however young', () => {
    const hosts = [...'ihgfedcb'].map((name, minute) => born(name, minute));
    const witness = host('w', { witness: true }, { creationTimestamp: '2026-01-02T00:00:00Z' });
    expect(names(nextVotes(undefined, { hosts: [...hosts, witness], stated: new Map() }))).toBe('wihgfed');
  });

  it('begin above everything that hosts still count by', () => {
    expect(nextVotes(undefined, { hosts: [born('a', 0)], stated: all('abc', 7) }).version).toBe(8);
  });

  it('change by one host at a time, and the table before stays until every host counts by the new one', () => {
    const hosts = [...'abcde'].map((name, minute) => born(name, minute));
    const first = nextVotes(table(1, 'abc'), { hosts, stated: all('abcde', 1) });
    expect(first).toEqual(table(2, 'abcd', 'abc'));
    expect(nextVotes(first, { hosts, stated: all('abcde', 1) })).toBe(first);
    const mixed = new Map([...all('abcd', 2), ['e', 1]]);
    expect(nextVotes(first, { hosts, stated: mixed })).toBe(first);
    const second = nextVotes(first, { hosts, stated: all('abcde', 2) });
    expect(second).toEqual(table(2, 'abcd'));
    expect(nextVotes(second, { hosts, stated: all('abcde', 2) })).toEqual(table(3, 'abcde', 'abcd'));
  });

  it('of a host that was removed go first', () => {
    const hosts = [...'bcd'].map((name, minute) => born(name, minute));
    expect(nextVotes(table(4, 'abc'), { hosts, stated: all('abcd', 4) })).toEqual(table(5, 'bc', 'abc'));
  });

  it('do not wait for a host of which nothing runs any more', () => {
    const proof = {
      kind: 'PowerOff',
      incident: 'c-1',
      bootID: 'c1',
      term: 1,
      at: '2026-01-01T00:00:00Z',
    } as const;
    const hosts = [born('a', 0), born('b', 1), born('c', 2, { state: 'Fenced', proof })];
    const stated = new Map([...all('ab', 2), ['c', 1]]);
    expect(nextVotes(table(2, 'abc', 'ab'), { hosts, stated })).toEqual(table(2, 'abc'));
  });

  it('stay the same object while nothing is to change', () => {
    const votes = table(1, 'ab');
    expect(nextVotes(votes, { hosts: [born('a', 0), born('b', 1)], stated: all('ab', 1) })).toBe(votes);
  });

  it('go to another host when that of the only voter was removed', () => {
    const next = nextVotes(table(1, 'a'), { hosts: [born('b', 0)], stated: all('b', 1) });
    expect(next).toEqual(table(2, 'b', 'a'));
  });
});

describe('spec.votes of a Host', () => {
  const wants = (name: string, minute: number, votes?: number): Stored<Host> => ({
    ...born(name, minute),
    spec: votes === undefined ? {} : { votes },
  });
  const first = (hosts: readonly Stored<Host>[]) => nextVotes(undefined, { hosts, stated: new Map() }).voters;
  const shown = (voters: Votes['voters']) => voters.map(({ name, votes }) => `${name}${votes}`).join(' ');

  it('gives as many as it says, and the others fill up to seven', () => {
    const hosts = [...'ihgfedcb'].map((name, minute) => wants(name, minute));
    expect(shown(first([...hosts, wants('a', 30, 3)]))).toBe('i1 h1 g1 f1 e1 d1 a3');
  });

  it('gives none by 0, and the next by age takes its place', () => {
    const hosts = [...'ihgfedcb'].map((name, minute) => wants(name, minute, name === 'h' ? 0 : undefined));
    expect(shown(first(hosts))).toBe('i1 g1 f1 e1 d1 c1 b1');
  });

  it('holds for witnesses, too', () => {
    const witness = { ...host('w', { witness: true }), spec: { votes: 0 } };
    expect(shown(first([wants('a', 0), wants('b', 1), witness]))).toBe('a1 b1');
  });

  it('changes one host after the other, each under both majorities', () => {
    const hosts = [wants('a', 0, 2), wants('b', 1), wants('c', 2, 0), wants('d', 3)];
    const seen: string[] = [];
    let now: Votes = table(1, 'abc');
    for (let step = 0; step < 12; step += 1) {
      const next = nextVotes(now, { hosts, stated: all('abcd', now.version) });
      if (next.version !== now.version) {
        expect(next.former).toEqual(now.voters);
        seen.push(shown(next.voters));
      }
      now = next;
    }
    expect(seen).toEqual(['a1 b1', 'a1 b1 d1', 'a2 b1 d1']);
    expect(now.former).toBeUndefined();
  });

  it('of 0 on every Host counts as if nothing was said, and the ClusterPolicy says so', () => {
    const none = [wants('a', 0, 0), wants('b', 1, 0)];
    expect(shown(first(none))).toBe('a1 b1');
    const at = { now: 0, generation: 1 };
    expect(withVoteless([], none, at)).toMatchObject([
      { type: 'NoHostVotes', status: 'True', reason: 'AllZero' },
    ]);
    expect(withVoteless(withVoteless([], none, at), [wants('a', 0, 0), wants('b', 1)], at)).toEqual([]);
  });

  it('does not leave those who are heard without a majority', () => {
    const hosts = [wants('a', 0), wants('b', 1), wants('c', 2, 0), wants('d', 3)];
    const weighty: Votes = { version: 1, voters: [...table(1, 'ab').voters, { name: 'c', votes: 3 }] };
    const next = (alive: string) =>
      nextVotes(weighty, { hosts, stated: all('abcd', 1), alive: new Set(alive) });
    expect(next('c')).toBe(weighty);
    expect(shown(next('cd').voters)).toBe('a1 b1 c3 d1');
    expect(shown(next('ab').voters)).toBe('a1 b1');
  });

  it('lets the cluster stand by the votes of one when the others are gone', async () => {
    const lab = await createHaLab();
    await lab.editHost('c', { votes: 3 });
    await lab.lead();
    await lab.switchOn();
    await lab.addGuest('db', 'c');
    const quorate = () => lab.policy()?.status?.conditions?.find(({ type }) => type === 'Ready')?.reason;
    expect(quorate()).toBe('Watching');
    lab.powerOff('a');
    lab.powerOff('b');
    await lab.advance(20_000);
    expect(quorate()).toBe('Watching');
    await lab.editHost('c', { votes: 0 });
    await lab.advance(20_000);
    expect(lab.policy()?.status?.votes?.voters).toContainEqual({ name: 'c', votes: 3 });
    expect(quorate()).toBe('Watching');
    lab.powerOn('a');
    lab.powerOn('b');
    await lab.until('it has none', () => lab.policy()?.status?.votes?.voters.length === 2);
    await lab.resign();
  });
});

describe('a change of votes that waits', () => {
  const waits = (before: Votes, alive: string, stated: ReadonlyMap<string, number>, hosts = 'abc') =>
    votes.votesWait(before, {
      ...{ stated, alive: new Set(alive) },
      hosts: [...hosts].map((name, minute) => born(name, minute)),
    });

  it('is none while all is as it is to be, and while it goes on', () => {
    expect(waits(table(1, 'abc'), 'ab', all('abc', 1))).toBeUndefined();
    // A table that some were late for, and nothing to follow.
    expect(waits(table(2, 'abc'), 'abc', new Map([...all('ab', 2), ['c', 1]]))).toBeUndefined();
    expect(waits(table(2, 'abc', 'ab'), 'abc', all('abc', 2))).toBeUndefined();
  });

  it('names who is silent and who is heard of those that are behind', () => {
    const stated = new Map([...all('a', 2), ...all('bc', 1)]);
    const found = waits(table(2, 'abc', 'ab'), 'ab', stated);
    expect(found?.reason).toBe('HostsBehind');
    expect(found?.message).toMatch(
      /; c: not heard, .*delete its Host.*; b: heard, and does not count by them yet/,
    );
  });

  it('names those without whom nobody would be a majority', () => {
    const weighty = { version: 1, voters: [...table(1, 'ab').voters, { name: 'c', votes: 3 }] };
    const found = waits(weighty, 'c', all('abc', 1));
    expect(found).toMatchObject({
      reason: 'NoMajority',
      message: expect.stringMatching(/; a, b: not heard:/),
    });
  });

  it('is told by the ClusterPolicy once that has lasted, until the host is back or its Host is deleted', async () => {
    const lab = await createHaLab();
    await lab.lead();
    await lab.switchOn();
    lab.powerOff('c');
    await lab.advance(20_000);
    const said = () => lab.policy()?.status?.conditions?.find(({ type }) => type === 'VotesWaiting');
    expect(said()).toBeUndefined();
    await lab.editHost('b', { votes: 2 });
    await lab.advance(5_000);
    expect(said()).toBeUndefined();
    await lab.until('it is told', () => said() !== undefined, 15_000);
    expect(said()).toMatchObject({ status: 'True', reason: 'HostsBehind' });
    expect(said()?.message).toContain('c: not heard');
    lab.powerOn('c');
    await lab.until('it is over', () => said() === undefined);
    expect(lab.policy()?.status?.votes?.former).toBeUndefined();
    await lab.resign();
  });
});
