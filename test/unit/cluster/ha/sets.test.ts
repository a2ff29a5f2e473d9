/** Guests that strict rules keep together, and what high availability and maintenance move them for: all of them, to one host, and not to and fro. */
import { describe, expect, it } from 'vitest';
import type { HAGroupSpec } from '../../../../src/api/kinds/haGroup.ts';
import { HAGroup } from '../../../../src/api/kinds/haGroup.ts';
import { Migration } from '../../../../src/api/kinds/migration.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { findCondition } from '../../../../src/runtime/conditions.ts';
import { createHaLab, type HaLab } from './haLab.ts';

const WHILE = 90_000;
const API = { apiVersion: 'vireo.dev/v1alpha1', kind: 'Migration' } as const;

type Story = {
  on?: string;
  group?: HAGroupSpec;
  /** Of web; db has no group of its own. */
  ha?: object;
  failsOn?: string[];
  memory?: string;
  /** It cannot move. */
  stuck?: string;
  policy?: object;
};

/** web and db, which web keeps with it. */
async function cluster({
  on = 'a',
  group,
  ha = {},
  failsOn = [],
  memory = '64Mi',
  policy = {},
  stuck,
}: Story = {}) {
  const lab = await createHaLab();
  if (group !== undefined) lab.addGroup('g', group);
  await lab.lead();
  await lab.switchOn(policy);
  if (stuck !== undefined) lab.failsToMove.add(stuck);
  lab.failsOn.set('web', new Set(failsOn));
  lab.failsOn.set('db', new Set());
  const keepTogether = [{ policy: 'Required', guest: { kind: 'VirtualMachine', name: 'db' } }] as const;
  const size = { memory: { size: memory } };
  lab.seedGuest('web', on, {
    ha: { ...ha, ...(group === undefined ? {} : { group: 'g' }) },
    placement: { keepTogether: [...keepTogether] },
    ...size,
  });
  lab.seedGuest('db', on, size);
  await lab.advance(3_000);
  return lab;
}

const both = (lab: HaLab) => ['web', 'db'].flatMap((name) => lab.whereRuns(name)).join('');
const moves = (lab: HaLab) =>
  lab.moves().map(({ spec, status }) => `${spec.guest.name} ${status?.sourceHost}${status?.targetHost}`);
const PREFERS_B: HAGroupSpec = { hosts: [{ name: 'b', priority: 2 }, { name: 'a' }], failback: true };

async function ask(lab: HaLab, guest: string, targetHost?: string) {
  await lab.api.create(Migration, {
    ...API,
    metadata: { name: `move-${guest}`, namespace: 'default' },
    spec: {
      guest: { kind: 'VirtualMachine', name: guest },
      ...(targetHost === undefined ? {} : { targetHost }),
    },
  });
}

/** Agents of this lab say nothing of it by themselves. */
async function areMigratable(lab: HaLab) {
  for (const name of ['web', 'db']) {
    const { status } = lab.guest(name);
    const migratable = {
      ...{ type: 'Migratable', status: 'True', reason: 'Migratable', message: '' },
      lastTransitionTime: '2026-01-01T00:00:00Z',
    } as const;
    const conditions = [...(status?.conditions ?? []), migratable];
    const ref = { namespace: 'default', name };
    await lab.api.mergePatch(VirtualMachine, ref, { status: { conditions } }, { subresource: 'status' });
  }
}

describe('a set of which a person moves one', () => {
  it('goes there as one, and stays there', async () => {
    const lab = await cluster();
    await areMigratable(lab);
    await ask(lab, 'db', 'c');
    await lab.until('both are there', () => both(lab) === 'cc');
    await lab.advance(WHILE);
    expect([moves(lab), both(lab), lab.twice]).toEqual([['db ac', 'web ac'], 'cc', []]);
    await lab.resign();
  });

  it('is moved once wherever the leader died', async () => {
    for (let after = 0; after < 8; after += 1) {
      const lab = await cluster();
      await areMigratable(lab);
      await ask(lab, 'db', 'c');
      lab.dieAfter(after);
      await lab.advance(20_000);
      await lab.succeed();
      await lab.until('both are there', () => both(lab) === 'cc', WHILE);
      await lab.advance(60_000);
      expect([after, moves(lab).sort(), lab.twice]).toEqual([after, ['db ac', 'web ac'], []]);
      await lab.resign();
    }
  }, 60_000);

  it('is not moved where failback of the other would undo it', async () => {
    const lab = await cluster({ on: 'b', group: PREFERS_B });
    await areMigratable(lab);
    await ask(lab, 'db', 'c');
    await lab.advance(5_000);
    expect(lab.moves()[0]?.status?.message).toContain(
      'its HAGroup g has failback and would move it from c to b',
    );
    expect(lab.moves()).toHaveLength(1);
    await lab.resign();
  });

  it('comes together again by one more move where one of them could not follow', async () => {
    const lab = await cluster();
    await areMigratable(lab);
    lab.failsToMove.add('web');
    await ask(lab, 'db', 'c');
    await lab.until('they are parted', () => both(lab) === 'ac');
    lab.failsToMove.delete('web');
    await lab.until('they are together', () => ['aa', 'cc'].includes(both(lab)), WHILE);
    await lab.advance(WHILE);
    expect([moves(lab).length, lab.twice]).toEqual([3, []]);
    expect(lab.guest('web').status?.ha?.reason).toBeUndefined();
    await lab.resign();
  });
});

describe('a set goes back', () => {
  it('with the one whose group prefers another host', async () => {
    const lab = await cluster({ group: PREFERS_B });
    await lab.until('both are there', () => both(lab) === 'bb', WHILE);
    await lab.advance(WHILE);
    expect([moves(lab).sort(), lab.twice]).toEqual([['db ab', 'web ab'], []]);
    await lab.resign();
  });

  it('of three that a group keeps together, of which two may leave at a time', async () => {
    const lab = await createHaLab();
    lab.addGroup('g', { ...PREFERS_B, keepTogether: { policy: 'Required' } });
    await lab.lead();
    await lab.switchOn();
    const names = ['one', 'two', 'three'];
    for (const name of names) {
      lab.failsOn.set(name, new Set());
      lab.seedGuest(name, 'a', { ha: { group: 'g' }, memory: { size: '64Mi' } });
    }
    const where = () => names.flatMap((name) => lab.whereRuns(name)).join('');
    await lab.until('all are there', () => where() === 'bbb', WHILE);
    await lab.advance(WHILE);
    const carriedOut = moves(lab).filter((move) => !move.includes('undefined'));
    expect([carriedOut.sort(), lab.twice]).toEqual([['one ab', 'three ab', 'two ab'], []]);
    await lab.resign();
  });

  it('nowhere that has not room for both', async () => {
    const lab = await cluster({ group: PREFERS_B, memory: '3Gi' });
    await lab.addGuest('large', 'b', { memory: { size: '12Gi' } });
    await lab.advance(WHILE);
    expect([moves(lab), both(lab)]).toEqual([[], 'aa']);
    await lab.resign();
  });

  it('not again and again where one of them never gets there', async () => {
    const lab = await cluster({ group: PREFERS_B });
    lab.failsToMove.add('db');
    await lab.advance(10 * 60_000);
    expect(lab.moves().length).toBeLessThanOrEqual(4);
    const parted = both(lab);
    await lab.advance(10 * 60_000);
    expect([lab.moves().length <= 4, both(lab)]).toEqual([true, parted]);
    await lab.resign();
  }, 30_000);

  it('only if every group with hosts asks for it', async () => {
    const lab = await cluster({ group: PREFERS_B });
    lab.addGroup('other', { hosts: [{ name: 'a' }] });
    await lab.api.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'db' },
      { spec: { ha: { group: 'other' } } },
    );
    await lab.advance(WHILE);
    expect(moves(lab)).toEqual([]);
    await lab.resign();
  });
});

describe('a set whose host does not suit one of them any more', () => {
  it('goes where all of them may be', async () => {
    const lab = await cluster({ group: { hosts: [{ name: 'a' }, { name: 'c' }], restricted: true } });
    await lab.api.mergePatch(HAGroup, { name: 'g' }, { spec: { hosts: [{ name: 'c' }] } });
    await lab.until('both are there', () => both(lab) === 'cc', WHILE);
    await lab.advance(WHILE);
    expect([moves(lab).sort(), lab.twice]).toEqual([['db ac', 'web ac'], []]);
    await lab.resign();
  });

  it('stays and says whom no host takes', async () => {
    const lab = await cluster({ group: { hosts: [{ name: 'a' }, { name: 'c' }], restricted: true } });
    await lab.api.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'db' },
      { spec: { placement: { host: 'a' } } },
    );
    await lab.api.mergePatch(HAGroup, { name: 'g' }, { spec: { hosts: [{ name: 'c' }] } });
    const said = () => lab.guest('web').status?.ha;
    await lab.until('it says so', () => said()?.reason === 'RuleBroken', WHILE);
    expect(said()?.message).toContain(
      'c does not take VirtualMachine/default/db, which spec.placement.keepTogether binds to it: is not a',
    );
    expect(moves(lab)).toEqual([]);
    await lab.resign();
  });
});

describe('a set one of which does not start', () => {
  it('goes with it to another host', async () => {
    const lab = await cluster({ ha: { maxRestart: 0, maxRelocate: 1 }, failsOn: ['a'] });
    await lab.until('both run elsewhere', () => both(lab) === 'bb', WHILE);
    await lab.advance(WHILE);
    expect([moves(lab).sort(), lab.twice]).toEqual([['db ab', 'web ab'], []]);
    await lab.resign();
  });

  it('does not come back to where it did not start', async () => {
    const lab = await cluster({
      on: 'b',
      group: PREFERS_B,
      ha: { maxRestart: 0, maxRelocate: 1 },
      failsOn: ['b'],
    });
    await lab.until('both run elsewhere', () => ['aa', 'cc'].includes(both(lab)), WHILE);
    await lab.advance(WHILE);
    expect(lab.moves()).toHaveLength(2);
    await lab.resign();
  });
});

describe('a set one of which does not start, and another of which cannot move', () => {
  it('is parted, says so, and is not moved to and fro', async () => {
    const lab = await cluster({ ha: { maxRestart: 0, maxRelocate: 1 }, failsOn: ['a'], stuck: 'db' });
    await lab.until('it says so', () => lab.guest('web').status?.ha?.reason === 'RuleBroken', 200_000);
    expect(lab.guest('web').status?.ha?.message).toContain('it could go to c, but not alone');
    const made = lab.moves().length;
    await lab.advance(20 * 60_000);
    expect([lab.moves().length, both(lab), lab.twice]).toEqual([made, 'ba', []]);
    expect(made).toBeLessThanOrEqual(3);
    await lab.resign();
  }, 40_000);
});

describe('balance', () => {
  it('moves a set as one, and evens out with it', async () => {
    const lab = await cluster({ policy: { rebalancing: { automatic: true, hold: '20s' } } });
    for (const name of ['x', 'y', 'z']) {
      lab.failsOn.set(name, new Set());
      lab.seedGuest(name, 'a', {
        placement: { host: 'a' },
      });
    }
    await lab.until('both are elsewhere', () => ['bb', 'cc'].includes(both(lab)), 150_000);
    const after = moves(lab).length;
    await lab.advance(WHILE);
    expect([after, moves(lab).length, lab.twice]).toEqual([2, 2, []]);
    await lab.resign();
  });
});

describe('maintenance', () => {
  it('takes a set elsewhere as one, and brings it back as one', async () => {
    const lab = await cluster();
    await areMigratable(lab);
    await lab.editHost('a', { maintenance: { enabled: true } });
    await lab.until('both have left', () => ['bb', 'cc'].includes(both(lab)), WHILE);
    await lab.until(
      'it is drained',
      () => findCondition(lab.host('a')?.status?.conditions, 'Drained')?.status === 'True',
      WHILE,
    );
    expect(lab.moves()).toHaveLength(2);
    await lab.editHost('a', { maintenance: null });
    await lab.until('both are back', () => both(lab) === 'aa', WHILE);
    await lab.advance(WHILE);
    expect([lab.moves().length, both(lab), lab.twice]).toEqual([4, 'aa', []]);
    expect(['web', 'db'].map((name) => lab.guest(name).status?.maintenance)).toEqual([undefined, undefined]);
    await lab.resign();
  });

  it('says of all of them why they cannot leave', async () => {
    const lab = await cluster({ memory: '5Gi' });
    await areMigratable(lab);
    await lab.addGuest('large-b', 'b', { memory: { size: '9Gi' } });
    await lab.addGuest('large-c', 'c', { memory: { size: '9Gi' } });
    await lab.editHost('a', { maintenance: { enabled: true } });
    await lab.advance(10_000);
    const lines = lab.host('a')?.status?.maintenance?.guests ?? [];
    expect(lines.map(({ name, state }) => `${name} ${state}`).sort()).toEqual(['db Blocked', 'web Blocked']);
    expect(lines[0]?.message).toContain('which spec.placement.keepTogether binds to it');
    expect(lab.moves()).toEqual([]);
    await lab.resign();
  });

  it('tries again towards where the others are, if one of them did not get there', async () => {
    const lab = await cluster();
    await areMigratable(lab);
    lab.failsToMove.add('web');
    await lab.editHost('a', { maintenance: { enabled: true } });
    await lab.until('they are parted', () => ['ab', 'ac'].includes(both(lab)), WHILE);
    lab.failsToMove.delete('web');
    await lab.until('both have left', () => ['bb', 'cc'].includes(both(lab)), 150_000);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });
});

/** Web and db, which fit together on an empty host alone, run on a, which a device can switch off. */
async function largeSet(): Promise<Awaited<ReturnType<typeof createHaLab>>> {
  const lab = await createHaLab();
  lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
  await lab.lead();
  await lab.switchOn();
  const rule = { policy: 'Required', guest: { kind: 'VirtualMachine', name: 'db' } } as const;
  for (const name of ['web', 'db']) lab.failsOn.set(name, new Set());
  lab.seedGuest('web', 'a', { placement: { keepTogether: [rule] }, memory: { size: '7Gi' } });
  lab.seedGuest('db', 'a', { memory: { size: '7Gi' } });
  return lab;
}

describe('a set whose host is lost', () => {
  it('starts where all of it fits, not where the first would fit best', async () => {
    const lab = await largeSet();
    lab.seedGuest('large', 'b', { memory: { size: '5Gi' } });
    for (const name of ['one', 'two']) lab.seedGuest(name, 'c', { memory: { size: '64Mi' } });
    await lab.advance(3_000);
    lab.powerOff('a');
    await lab.until('both run there', () => both(lab) === 'cc', 20_000);
    await lab.advance(WHILE);
    expect([both(lab), lab.moves(), lab.twice]).toEqual(['cc', [], []]);
    await lab.resign();
  });
});

describe('a set on its way', () => {
  it('is recovered where the rest of it is, if the host of one that waits dies', async () => {
    const lab = await largeSet();
    await lab.advance(3_000);
    await areMigratable(lab);
    lab.failsToMove.add('web');
    await ask(lab, 'db', 'b');
    await lab.until('they are parted', () => both(lab) === 'ab');
    lab.powerOff('a');
    await lab.until('both run there', () => both(lab) === 'bb', WHILE);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });
});
