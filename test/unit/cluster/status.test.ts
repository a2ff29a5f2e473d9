/** What a guest without a host says of itself while it waits. */
import { describe, expect, it } from 'vitest';
import type { GuestStatus } from '../../../src/api/guest.ts';
import type { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { waiting } from '../../../src/base/outcome.ts';
import { STALLED_AFTER_MS, unplacedStatus } from '../../../src/cluster/placement/status.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const noPool = waiting('StoragePoolNotFound', 'StoragePool "p" does not exist');

function guest(status?: GuestStatus): Stored<VirtualMachine> {
  return {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'VirtualMachine',
    metadata: { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '1', generation: 1 },
    spec: { memory: { size: '1Gi' } },
    ...(status === undefined ? {} : { status }),
  } as Stored<VirtualMachine>;
}

function truths({ conditions = [] }: GuestStatus): string[] {
  return conditions.filter(({ status }) => status === 'True').map(({ type }) => type);
}

describe('a guest that waits for its pool', () => {
  it('is reconciling, and stalled too after ten minutes', () => {
    const first = unplacedStatus(guest(), noPool, NOW);
    expect(truths(first)).toEqual(['Reconciling']);
    const soon = unplacedStatus(guest(first), noPool, NOW + STALLED_AFTER_MS - 1_000);
    expect(truths(soon)).toEqual(['Reconciling']);
    const late = unplacedStatus(guest(soon), noPool, NOW + STALLED_AFTER_MS);
    expect(truths(late)).toEqual(['Stalled', 'Reconciling']);
  });

  it('writes nothing more while it goes on waiting', () => {
    const first = unplacedStatus(guest(), noPool, NOW);
    const late = unplacedStatus(guest(first), noPool, NOW + STALLED_AFTER_MS);
    expect(unplacedStatus(guest(late), noPool, NOW + 2 * STALLED_AFTER_MS)).toEqual(late);
  });

  it('is not stalled when it waits for something else by then', () => {
    const first = unplacedStatus(guest(), noPool, NOW);
    const other = unplacedStatus(guest(first), waiting('NoHostFits', 'm'), NOW + STALLED_AFTER_MS);
    expect(truths(other)).toEqual(['Reconciling']);
  });
});
