import { describe, expect, it } from 'vitest';
import { findGuest, withoutInventory } from '../../../src/cluster/placement/inventory.ts';
import { host } from './builders.ts';

const remembers = (name: string, epoch: number, running: boolean) =>
  host(name, {
    guests: [
      { uuid: 'u1', kind: 'VirtualMachine', namespace: 'default', name: 'a', uid: 'x', epoch, running },
    ],
  });

describe('what hosts remember', () => {
  it('brings a guest back to the host that runs it, with an epoch above all that were seen', () => {
    expect(findGuest('u1', [remembers('h1', 7, false), remembers('h2', 3, true)])).toEqual({
      at: 'host',
      host: 'h2',
      epoch: 8,
    });
  });

  it('prefers the newest record when it runs nowhere', () => {
    expect(findGuest('u1', [remembers('h1', 2, false), remembers('h2', 5, false)])).toEqual({
      at: 'host',
      host: 'h2',
      epoch: 6,
    });
  });

  it('decides nothing when two hosts run it', () => {
    expect(findGuest('u1', [remembers('h2', 1, true), remembers('h1', 2, true)])).toEqual({
      at: 'several',
      hosts: ['h1', 'h2'],
    });
  });

  it('finds nothing of a guest nobody knows', () => {
    expect(findGuest('u2', [remembers('h1', 1, true)])).toEqual({ at: 'nowhere' });
  });

  it('names the hosts that have not reported to this incarnation', () => {
    const silent = host('h3');
    const { inventoryAt: _, ...status } = silent.status ?? {};
    expect(
      withoutInventory(
        [host('h1', { incarnation: 4 }), host('h2', { incarnation: 3 }), { ...silent, status }],
        4,
      ),
    ).toEqual(['h2', 'h3']);
  });
});
