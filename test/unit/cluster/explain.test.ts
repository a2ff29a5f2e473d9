import { describe, expect, it } from 'vitest';
import type { ClusterPolicy } from '../../../src/api/kinds/clusterPolicy.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { printExplanation } from '../../../src/cli/explain.ts';
import type { StoredGuest } from '../../../src/cluster/guests.ts';
import { explainGuest } from '../../../src/cluster/placement/explain.ts';
import { host, machine } from './builders.ts';
import { movable } from './migrationLab.ts';

const pool = {
  apiVersion: 'vireo.dev/v1alpha1',
  kind: 'StoragePool',
  metadata: { name: 'local', uid: 'u', resourceVersion: '1' },
  spec: { type: 'Directory' },
} as const;

/** What `kubectl vireo explain vm/NAME` prints. */
function explain(
  guest: StoredGuest,
  hosts = [host('h1'), host('h2'), host('h3')],
  others: StoredGuest[] = [],
  policies: Stored<ClusterPolicy>[] = [],
) {
  const snapshot = {
    policies,
    hosts,
    groups: [],
    guests: [guest, ...others],
    pools: [pool],
    images: [],
    migrations: [],
  };
  const guestName = `vm/${guest.metadata.name}`;
  return printExplanation({ guest: guestName, ...explainGuest(guest, snapshot) });
}

describe('explaining a guest', () => {
  it('shows the host it would get, the others that fit, and why the rest does not', () => {
    const full = machine('full', { memory: { size: '16Gi' } }, movable('h2'));
    const text = explain(
      machine('web'),
      [
        host('h1'),
        host('h2'),
        host('h3', { images: [] }, { unschedulable: true }),
        host('h4', { allocatable: { cpu: 8, memory: '32Gi' } }),
      ],
      [full],
    );
    expect(text).toMatchInlineSnapshot(`
      "vm/web would run on h4

      HOST   VERDICT   REASON                       SCORE
      h4     Chosen                                 714
      h1     Fits                                   712
      h2     Refused   has not enough memory left
      h3     Refused   is unschedulable
      "
    `);
  });

  it('shows of a guest that runs where it could move, with what it has promised already', () => {
    const web = machine('web', { memory: { size: '9Gi' } }, movable('h1', 1, 'False'));
    const text = explain(web, undefined, [machine('big', { memory: { size: '9Gi' } }, movable('h2'))]);
    expect(text).toMatchInlineSnapshot(`
      "vm/web is on h1; others could take it
      it cannot move while it runs: eth0 is on the NAT network of its host

      HOST   VERDICT   REASON                       SCORE
      h3     Fits                                   679
      h2     Refused   has not enough memory left
      "
    `);
  });

  it('reckons with the memory that the ClusterPolicy lets hosts promise', () => {
    const policy = {
      ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'ClusterPolicy' },
      metadata: { name: 'default', uid: 'p', resourceVersion: '1' },
      spec: { memoryOvercommit: 1.25 },
    };
    const ask = (size: string) => explain(machine('web', { memory: { size } }), [host('h1')], [], [policy]);
    expect(ask('20Gi')).toContain('would run on h1');
    expect(ask('21Gi')).toContain('has not enough memory left of 16Gi x 1.25');
  });

  it('says when no host can help', () => {
    expect(explain(machine('web', { disks: [{ name: 'root', pool: 'fast', size: '1Gi' }] }))).toContain(
      'StoragePool "fast" does not exist',
    );
    expect(explain(machine('web', { placement: { host: 'h9' } }))).toContain('there is no Host h9');
    expect(explain(machine('web'), [])).toBe(
      'vm/web has no host it could run on now\nthere is no Host yet\n',
    );
  });
});
