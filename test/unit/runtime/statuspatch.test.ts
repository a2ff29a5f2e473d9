import { describe, expect, it } from 'vitest';
import { undeclared, writeConflicts } from '../../../src/runtime/declarations.ts';
import { statusPatch, writtenPaths } from '../../../src/runtime/statuspatch.ts';
import { Guest } from '../client/guests.ts';

const condition = (type: string, status: string, lastTransitionTime: string, message = '') => ({
  type,
  status,
  reason: 'R',
  message,
  lastTransitionTime,
});

describe('the patch of a status', () => {
  it('does not exist when nothing differs but the times a pure function made up', () => {
    const observed = { phase: 'Running', conditions: [condition('Ready', 'True', 'then')] };
    const wanted = { phase: 'Running', host: undefined, conditions: [condition('Ready', 'True', 'now')] };
    expect(statusPatch(observed, wanted)).toBeUndefined();
    expect(statusPatch(undefined, {})).toBeUndefined();
  });

  it('names what differs, with null for what is gone', () => {
    expect(statusPatch({ phase: 'Running', host: 'a' }, { phase: 'Stopped' })).toEqual({
      phase: 'Stopped',
      host: null,
    });
  });

  it('takes the new time of a condition that turned, and keeps the others', () => {
    const observed = {
      conditions: [condition('Ready', 'True', 'then'), condition('Paused', 'False', 'then')],
    };
    const wanted = { conditions: [condition('Ready', 'False', 'now'), condition('Paused', 'False', 'now')] };
    expect(statusPatch(observed, wanted)).toEqual({
      conditions: [condition('Ready', 'False', 'now'), condition('Paused', 'False', 'then')],
    });
  });

  it('says which paths it writes, conditions by their type', () => {
    const observed = { conditions: [condition('Ready', 'True', 'then'), condition('Old', 'True', 'then')] };
    const wanted = {
      placement: { host: 'a' },
      conditions: [condition('Ready', 'True', 'then'), condition('New', 'True', 'now')],
    };
    const patch = statusPatch(observed, wanted) ?? {};
    expect(writtenPaths(patch, observed).sort()).toEqual([
      'status.conditions.New',
      'status.conditions.Old',
      'status.placement.host',
    ]);
  });
});

describe('what controllers declare', () => {
  const of = (name: string, writes: string[], shared: string[] = []) => ({
    name,
    kind: Guest,
    writes,
    shared,
  });

  it('gives each field one writer', () => {
    const placement = of('placement', ['status.placement', 'status.conditions.Scheduled']);
    const guests = of('guests', ['status.phase', 'status.conditions.Ready']);
    expect(writeConflicts([placement, guests])).toEqual([]);
    expect(writeConflicts([placement, of('ha', ['status.placement.host'])])).toEqual([
      'placement and ha both write status.placement and status.placement.host of Guest',
    ]);
    expect(writeConflicts([guests, of('other', ['status.phase'])])).toHaveLength(1);
  });

  it('does not mistake a longer word for a path inside', () => {
    expect(writeConflicts([of('a', ['status.host']), of('b', ['status.hostname'])])).toEqual([]);
  });

  it('lets two share what both name as shared', () => {
    const first = of('first', ['status.placement'], ['status.placement']);
    expect(writeConflicts([first, of('second', ['status.placement'])])).toHaveLength(1);
    expect(writeConflicts([first, of('second', ['status.placement'], ['status.placement'])])).toEqual([]);
  });

  it('does not compare different kinds', () => {
    const other = { ...of('other', ['status.phase']), kind: { ...Guest, plural: 'hosts' } };
    expect(writeConflicts([of('guests', ['status.phase']), other])).toEqual([]);
  });

  it('covers what lies inside a declared path', () => {
    const paths = ['status.placement.host', 'status.phase'];
    expect(undeclared(['status.placement'], paths)).toEqual(['status.phase']);
  });
});
