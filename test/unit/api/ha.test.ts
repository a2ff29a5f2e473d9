/** High availability as it is declared: unsafe times are refused with the broken inequality named, and Leases carry what keepers state. */
import { describe, expect, it } from 'vitest';
import { openApiSchema } from '../../../src/api/crd.ts';
import { safeTimingsOf } from '../../../src/api/haPolicy.ts';
import { brokenInequalities, DEFAULT_HA_TIMINGS } from '../../../src/api/haTimings.ts';
import { type KeeperStatement, readStatement, writeStatement } from '../../../src/api/keeperLease.ts';
import { ClusterPolicy } from '../../../src/api/kinds/clusterPolicy.ts';
import { compileSchema } from '../../../src/schema/compile.ts';

const { validate } = compileSchema(openApiSchema(ClusterPolicy as never));

function problems(timings: Record<string, string>, name = 'default'): string {
  const object = {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'ClusterPolicy',
    metadata: { name },
    spec: { timings },
  };
  return JSON.stringify(validate(object as never, {}));
}

describe('times of a ClusterPolicy', () => {
  it('are safe by default', () => {
    expect(brokenInequalities(DEFAULT_HA_TIMINGS)).toEqual([]);
    expect(problems({})).toBe('[]');
  });

  it.each([
    ['I1', { leaseDuration: '4s' }],
    ['I2', { excuseAge: '5900ms' }],
    ['I3', { selfFenceAfter: '11s' }],
    ['I4', { selfFenceWait: '15s' }],
    ['I4', { watchdogTimeout: '15s' }],
    ['I6', { freezeAfter: '4s' }],
    ['I7', { leaderLease: '4500ms' }],
    ['I8', { freezeAfter: '12s' }],
    ['I8', { watchdogTimeout: '15s', selfFenceWait: '20s' }],
  ])('are refused by the API where they break %s: %o', (name, timings) => {
    expect(problems(timings)).toContain(`${name} must hold`);
  });

  it('may all grow together', () => {
    const slow = { excuseAge: '8s', selfFenceAfter: '14s', selfFenceWait: '0.5m' };
    expect(problems(slow)).toBe('[]');
    expect(safeTimingsOf({ timings: slow })).toMatchObject({ timings: { selfFenceWait: 30_000 } });
  });

  it('break no rule of the API but are not acted by when the margin is less than clocks may drift', () => {
    expect(safeTimingsOf({ timings: { selfFenceWait: '200s' } })).toEqual({
      broken: ['I4a: margin >= 2 % of selfFenceWait (short of 2000 ms)'],
    });
  });

  it('belong to the one policy there is', () => {
    expect(problems({}, 'other')).toContain('its name is default');
  });
});

describe('a Lease', () => {
  const statement: KeeperStatement = {
    bootID: 'boot-1',
    term: 2,
    sequence: 7,
    sentAt: 1_000.5,
    acknowledgedAt: 500,
    armed: false,
    pausable: true,
    timings: DEFAULT_HA_TIMINGS,
    hears: ['b'],
    votesVersion: 3,
    guarded: ['uid-1@4', 'uid-2@1'],
  };

  it('says what its keeper stated', () => {
    expect(readStatement({ annotations: writeStatement(statement) })).toMatchObject({
      ...statement,
      timings: { selfFenceAfter: 12_000 },
    });
  });

  it('of a host that guards nothing covers nothing', () => {
    const annotations = writeStatement({ ...statement, guarded: [] });
    expect(readStatement({ annotations })?.guarded).toEqual([]);
  });

  it.each(['', '{}', 'null', '{"bootID": 1}', 'not JSON'])('states nothing where it says %s', (text) => {
    expect(readStatement({ annotations: { 'vireo.dev/keeper': text } })).toBeUndefined();
  });
});
