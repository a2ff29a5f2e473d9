import { describe, expect, it } from 'vitest';
import { done, failed, stalled, waiting } from '../../../src/base/outcome.ts';
import { findCondition, readiness, removeCondition, setCondition } from '../../../src/runtime/conditions.ts';

const early = { now: Date.UTC(2026, 0, 1), generation: 1 };
const late = { now: Date.UTC(2026, 0, 2), generation: 2 };
const ready = { status: 'True', reason: 'Running', message: 'the guest runs' } as const;

describe('a condition', () => {
  it('keeps the time of its last turn while only its words change', () => {
    const first = setCondition(
      [],
      { type: 'Scheduled', status: 'False', reason: 'NoHost', message: 'none fits' },
      early,
    );
    const second = setCondition(
      first,
      { type: 'Scheduled', status: 'False', reason: 'NoPool', message: 'none' },
      late,
    );
    expect(second).toEqual([
      {
        type: 'Scheduled',
        status: 'False',
        reason: 'NoPool',
        message: 'none',
        lastTransitionTime: '2026-01-01T00:00:00Z',
        observedGeneration: 2,
      },
    ]);
    const third = setCondition(second, { type: 'Scheduled', ...ready }, late);
    expect(findCondition(third, 'Scheduled')?.lastTransitionTime).toBe('2026-01-02T00:00:00Z');
  });

  it('stays in its place and leaves the others alone', () => {
    const list = ['A', 'B', 'C'].reduce(
      (all, type) => setCondition(all, { type, ...ready }, early),
      removeCondition([], 'A'),
    );
    const changed = setCondition(list, { type: 'B', ...ready, reason: 'Other' }, late);
    expect(changed.map(({ type }) => type)).toEqual(['A', 'B', 'C']);
    expect(changed[0]).toBe(list[0]);
    expect(removeCondition(changed, 'B').map(({ type }) => type)).toEqual(['A', 'C']);
  });
});

describe('readiness', () => {
  const states = (
    outcome: Parameters<typeof readiness>[1],
    from = readiness([], waiting('Before', ''), ready, early),
  ) => readiness(from, outcome, ready, late).map(({ type, status, reason }) => `${type}=${status} ${reason}`);

  it('is Ready alone when all is done', () => {
    expect(states(done)).toEqual(['Ready=True Running']);
  });

  it('is reconciling while it waits or fails', () => {
    expect(states(waiting('PoolMissing', 'x'))).toEqual([
      'Ready=False PoolMissing',
      'Reconciling=True PoolMissing',
    ]);
    expect(states(failed('DiskFull', 'x'))).toEqual(['Ready=False DiskFull', 'Reconciling=True DiskFull']);
  });

  it('is stalled when only the user can help, and not reconciling then', () => {
    expect(states(stalled('BadImage', 'x'))).toEqual(['Ready=False BadImage', 'Stalled=True BadImage']);
    const stuck = readiness([], stalled('BadImage', 'x'), ready, early);
    expect(states(waiting('Again', 'x'), stuck)).toEqual(['Ready=False Again', 'Reconciling=True Again']);
  });
});
