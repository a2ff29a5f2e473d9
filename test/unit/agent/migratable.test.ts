import { describe, expect, it } from 'vitest';
import { type Movable, migratableFinding } from '../../../src/agent/guests/migratable.ts';

const machine: Movable = {
  kind: { plugs: 'Tap', transfer: {} },
  observation: { state: 'Running' },
  nicWishes: [{ name: 'eth0', to: { type: 'Bridge', bridge: 'br0' } }],
  immovablePools: [],
  stayingSnapshots: [],
};
const container: Movable = { ...machine, kind: { plugs: 'Veth' } };
const reasonOf = (guest: Movable) => migratableFinding(guest).reason;

describe('whether a guest could move', () => {
  it.each([
    ['a machine that runs', machine],
    ['a machine that takes its disks with it, from any pool', { ...machine, immovablePools: ['local'] }],
    [
      'a container on a NAT network, which it leaves by its stop',
      {
        ...container,
        nicWishes: [{ name: 'eth0', to: { type: 'Nat' } }],
      },
    ],
  ] satisfies [string, Movable][])('is said of %s', (_, guest) => {
    expect(migratableFinding(guest)).toMatchObject({ status: 'True' });
  });

  it.each([
    ['NotSupported', { ...machine, kind: { plugs: 'Tap' } }],
    ['PoolNotMovable', { ...container, immovablePools: ['local'] }],
    ['PoolNotMovable', { ...machine, observation: { state: 'Off' }, immovablePools: ['local'] }],
    ['HasSnapshots', { ...container, stayingSnapshots: ['s'] }],
  ] satisfies [string, Movable][])('is denied as %s', (reason, guest) => {
    expect(reasonOf(guest)).toBe(reason);
  });

  it('names every reason, not only the first', () => {
    const { reason, message } = migratableFinding({
      ...machine,
      observation: { state: 'Unmanageable', message: 'QEMU does not answer' },
      nicWishes: [
        { name: 'eth0', to: { type: 'Nat' } },
        { name: 'eth1', to: { type: 'User' } },
      ],
    });
    expect(reason).toBe('Unmanageable');
    for (const part of ['QEMU does not answer', 'eth0 is on the NAT network', 'eth1 is a user-mode network'])
      expect(message).toContain(part);
  });
});
