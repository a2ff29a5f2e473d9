import { describe, expect, it } from 'vitest';
import type { HAGroupSpec } from '../../../src/api/kinds/haGroup.ts';
import { companyOf } from '../../../src/cluster/placement/company.ts';
import { createLedger } from '../../../src/cluster/placement/ledger.ts';
import { createMembership } from '../../../src/cluster/placement/membership.ts';
import { machine } from './builders.ts';

const GIB = 2 ** 30;
const placed = (name: string, host: string, size = '1Gi') =>
  machine(name, { memory: { size } }, { placement: { host, epoch: 1, since: '2026-01-01T00:00:00Z' } });

describe('the ledger of promises', () => {
  it('counts a claim from the moment it is made, and once when it comes back through the watch', () => {
    const ledger = createLedger();
    ledger.assume('a', machine('a'), 'h1');
    expect(ledger.allocated('h1').memoryBytes).toBe(GIB);
    ledger.observe('a', { key: 'default/a', after: placed('a', 'h1') });
    expect(ledger.allocated('h1')).toMatchObject({ cpus: 1, memoryBytes: GIB, guests: 1 });
  });

  it('follows a guest that grows, moves and goes', () => {
    const ledger = createLedger();
    const small = placed('a', 'h1');
    const large = placed('a', 'h1', '3Gi');
    const moved = placed('a', 'h2', '3Gi');
    ledger.observe('a', { key: 'default/a', after: small });
    ledger.observe('a', { key: 'default/a', before: small, after: large });
    expect(ledger.allocated('h1').memoryBytes).toBe(3 * GIB);
    ledger.observe('a', { key: 'default/a', before: large, after: moved });
    expect([ledger.allocated('h1').memoryBytes, ledger.allocated('h2').memoryBytes]).toEqual([0, 3 * GIB]);
    ledger.observe('a', { key: 'default/a', before: moved });
    expect(ledger.allocated('h2')).toMatchObject({ cpus: 0, memoryBytes: 0, guests: 0 });
  });

  it('gives back a claim whose write was refused', () => {
    const ledger = createLedger();
    ledger.assume('a', machine('a'), 'h1');
    ledger.forget('a');
    expect(ledger.allocated('h1').guests).toBe(0);
  });

  it('keeps a claim while the watch still shows the guest without a host', () => {
    const ledger = createLedger();
    ledger.assume('a', machine('a'), 'h1');
    ledger.observe('a', { key: 'default/a', after: machine('a') });
    expect(ledger.allocated('h1').guests).toBe(1);
  });

  it('knows after a change of a group whom its guests keep away, also of one that was booked before it joined', () => {
    const membership = createMembership();
    const group = (keepApart?: HAGroupSpec['keepApart']) =>
      membership.observe({
        key: 'web',
        before: { spec: {} } as never,
        after: { spec: { hosts: [], ...(keepApart === undefined ? {} : { keepApart }) } } as never,
      });
    const ledger = createLedger(membership.groupOf);
    const free = placed('a', 'h1');
    const joined = { ...free, spec: { ...free.spec, ha: { group: 'web' } } };
    const refusal = () => {
      const other = machine('b', { ha: { group: 'web' } });
      const company = companyOf(other, membership.groupOf(other));
      return ledger.neighbours.standing(company, () => true).refusal('h1');
    };
    group();
    ledger.observe('a', { key: 'default/a', after: free });
    ledger.observe('a', { key: 'default/a', before: free, after: joined });
    expect(refusal()).toBeUndefined();
    group({ policy: 'Required' });
    ledger.regroup();
    expect(refusal()).toBe('has a guest of the HAGroup "web", which keeps its guests apart');
    group();
    ledger.regroup();
    expect(refusal()).toBeUndefined();
  });

  it('tells which host has news', () => {
    const ledger = createLedger();
    const heard: string[] = [];
    ledger.onChange((host) => heard.push(host));
    ledger.assume('a', machine('a'), 'h1');
    ledger.observe('a', { key: 'default/a', after: placed('a', 'h1') });
    expect(heard).toEqual(['h1']);
  });
});
