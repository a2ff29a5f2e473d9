import { describe, expect, it } from 'vitest';
import type { Host } from '../../../../src/api/kinds/host.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { nextVotes, type Votes } from '../../../../src/cluster/recovery/votes.ts';
import { host } from '../builders.ts';

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
});
