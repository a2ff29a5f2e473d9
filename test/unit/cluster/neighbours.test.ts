import { describe, expect, it } from 'vitest';
import type { Guest } from '../../../src/cluster/guests.ts';
import { container, host, labelled, machine } from './builders.ts';
import { createHostsOnPaper } from './hostsOnPaper.ts';

type Rules = NonNullable<NonNullable<Guest['spec']['placement']>['keepApart']>;
const db = (name: string, keepApart: Rules = []) =>
  labelled({ app: 'db' }, machine(name, { placement: { keepApart } }));
const fromOtherDbs: Rules = [{ policy: 'Required', matchLabels: { app: 'db' } }];

const hosts = (...names: string[]) => createHostsOnPaper(names.map((name) => host(name)));

describe('guests that keep apart', () => {
  it('go to a host each, and the one too many waits', () => {
    const paper = hosts('h1', 'h2', 'h3');
    const places = ['a', 'b', 'c', 'd'].map((name) => paper.put(db(name, fromOtherDbs)));
    expect(places.slice(0, 3)).toEqual([{ host: 'h1' }, { host: 'h2' }, { host: 'h3' }]);
    expect(places[3]).toMatchObject({
      reason: 'NoHostFits',
      message: expect.stringContaining('h1 has a guest that spec.placement.keepApart names'),
    });
  });

  it('are kept apart although only the one that is there already says so', () => {
    const paper = hosts('h1');
    paper.place(db('a', fromOtherDbs), 'h1');
    expect(paper.reason(db('b'), 'h1')).toBe('has a guest whose own spec.placement.keepApart names this one');
    expect(paper.reason(machine('web'), 'h1')).toBeUndefined();
  });

  it('may meet again when the other has gone, or has lost the label', () => {
    const paper = hosts('h1');
    paper.place(db('a', fromOtherDbs), 'h1');
    paper.place(labelled({ app: 'old' }, db('a', [])), 'h1');
    expect(paper.reason(db('b', fromOtherDbs), 'h1')).toBeUndefined();
    paper.place(db('a'), 'h1');
    expect(paper.reason(db('b', fromOtherDbs), 'h1')).toBeDefined();
    paper.leave(db('a'));
    expect(paper.reason(db('b', fromOtherDbs), 'h1')).toBeUndefined();
  });

  it('by name, of either kind, in their own namespace only', () => {
    const paper = hosts('h1');
    const apart = machine('a', {
      placement: { keepApart: [{ policy: 'Required', guest: { kind: 'Container', name: 'c' } }] },
    });
    paper.place(machine('c'), 'h1');
    paper.place({ ...container('c'), metadata: { ...container('c').metadata, namespace: 'other' } }, 'h1');
    expect(paper.reason(apart, 'h1')).toBeUndefined();
    paper.place(container('c'), 'h1');
    expect(paper.reason(apart, 'h1')).toBeDefined();
  });

  it('need all labels of the rule', () => {
    const paper = hosts('h1');
    paper.place(db('a'), 'h1');
    const rule = (matchLabels: Record<string, string>) => db('b', [{ policy: 'Required', matchLabels }]);
    expect(paper.reason(rule({ app: 'db', tier: 'gold' }), 'h1')).toBeUndefined();
    paper.place(labelled({ app: 'db', tier: 'gold' }, machine('g')), 'h1');
    expect(paper.reason(rule({ app: 'db', tier: 'gold' }), 'h1')).toBeDefined();
  });

  it('are no neighbours of themselves: a guest may be asked about the host it is on', () => {
    const paper = hosts('h1');
    const only = db('a', fromOtherDbs);
    paper.place(only, 'h1');
    expect(paper.reason(only, 'h1')).toBeUndefined();
    expect(paper.reason(db('b', fromOtherDbs), 'h1')).toBeDefined();
  });

  it('as far as it can be had share a host rather than wait', () => {
    const paper = hosts('h1', 'h2');
    const softly: Rules = [{ policy: 'Preferred', matchLabels: { app: 'db' } }];
    const places = ['a', 'b', 'c'].map((name) => paper.put(db(name, softly)));
    expect(places).toEqual([{ host: 'h1' }, { host: 'h2' }, { host: 'h1' }]);
  });
});

describe('guests that keep together', () => {
  const pair = (name: string, policy: 'Required' | 'Preferred' = 'Required') =>
    labelled(
      { set: 'x' },
      machine(name, { placement: { keepTogether: [{ policy, matchLabels: { set: 'x' } }] } }),
    );

  it('follow the first, which is free to choose, also to a fuller host', () => {
    const paper = hosts('h1', 'h2');
    paper.promise('h1', 2 ** 30);
    expect(paper.put(pair('a'))).toEqual({ host: 'h2' });
    paper.promise('h2', 8 * 2 ** 30);
    expect(paper.put(pair('b'))).toEqual({ host: 'h2' });
    expect(paper.reason(pair('c'), 'h1')).toBe('has not the guests that keepTogether binds this one to');
  });

  it('leave a host one after the other when nobody may stay there', () => {
    const paper = hosts('h1', 'h2', 'h3');
    for (const name of ['a', 'b']) paper.place(pair(name), 'h1');
    expect(paper.reason(pair('a'), 'h2')).toBeDefined();
    paper.report(host('h1', {}, { unschedulable: true }));
    expect(paper.put(pair('a'))).toEqual({ host: 'h2' });
    expect(paper.put(pair('b'))).toEqual({ host: 'h2' });
  });

  it('as far as it can be had go elsewhere when the host is full', () => {
    const paper = hosts('h1', 'h2');
    paper.place(pair('a', 'Preferred'), 'h2');
    expect(paper.put(pair('b', 'Preferred'))).toEqual({ host: 'h2' });
    paper.promise('h2', 14 * 2 ** 30);
    expect(paper.put(pair('c', 'Preferred'))).toEqual({ host: 'h1' });
  });
});
