import { describe, expect, it } from 'vitest';
import type { Outgoing } from '../../../../src/agent/record.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { createHosts, type Hosts } from './hosts.ts';
import { expectWhole, guestOf, isOver, isReady, type Kind, nameOf, runningGuest } from './stories.ts';

const outgoingOf = (hosts: Hosts, id: string) => hosts.record('a', id)?.outgoing as Outgoing | undefined;

describe('a machine that moves while it runs', () => {
  it('is handed over once, with all it wrote, and leaves nothing behind', async () => {
    const { hosts, a, b } = await runningGuest('VirtualMachine');
    hosts.migrate('VirtualMachine', 'web', 'Live');
    await hosts.until('the move is over', () => isOver(hosts));
    await hosts.until('it has settled', () => hosts.machine()?.status?.phase === 'Running');
    expect(hosts.migration()?.status).toMatchObject({
      phase: 'Succeeded',
      source: { state: 'Released' },
      target: { state: 'Settled' },
    });
    expect(hosts.migration()?.status?.downtimeMilliseconds).toBeGreaterThanOrEqual(20);
    expect(hosts.machine()?.status?.placement?.epoch).toBe(2);
    expectWhole(hosts, 'VirtualMachine', 'b');
    await a.stop();
    await b.stop();
  });
});

describe('a machine that stands still for its hand-over', () => {
  it('waits on its source for one request only: what had to be read was read while it left', async () => {
    const { hosts, a, b } = await runningGuest('VirtualMachine');
    const id = hosts.idOf('VirtualMachine', 'web');
    const requests: string[] = [];
    hosts.api.intercept = ({ verb, kind, body }, host) => {
      if (host !== 'a' || hosts.ether.transfer('a', id)?.phase !== 'Completed') return;
      const isSwap = (body as { status?: { placement?: unknown } })?.status?.placement !== undefined;
      requests.push(isSwap ? 'swap' : `${verb} ${kind.kind}`);
    };
    hosts.migrate('VirtualMachine', 'web', 'Live');
    await hosts.until('the move is over', () => isOver(hosts));
    expect(requests.filter((request) => !/Lease|Event|Host/.test(request))[0]).toBe('swap');
    expectWhole(hosts, 'VirtualMachine', 'b');
    await a.stop();
    await b.stop();
  });

  it('keeps its epoch when it cannot leave after all: nothing was asked for', async () => {
    const { hosts, a, b } = await runningGuest('VirtualMachine');
    const id = hosts.idOf('VirtualMachine', 'web');
    hosts.migrate('VirtualMachine', 'web', 'Live');
    await hosts.until('the hand-over is written down', () => outgoingOf(hosts, id)?.ahead === true);
    hosts.ether.cut.add('b');
    await hosts.until('the move is over', () => isOver(hosts));
    hosts.ether.cut.clear();
    await hosts.until('b is clean', () => hosts.record('b', id) === undefined);
    await hosts.until('it is at home', () => outgoingOf(hosts, id) === undefined);
    expect(hosts.machine()?.status?.placement).toMatchObject({ host: 'a', epoch: 1 });
    expectWhole(hosts, 'VirtualMachine', 'a');
    await a.stop();
    await b.stop();
  });

  it('is handed over all the same by an agent that finds only what was written ahead', async () => {
    const { hosts, a, b } = await runningGuest('VirtualMachine');
    const id = hosts.idOf('VirtualMachine', 'web');
    hosts.migrate('VirtualMachine', 'web', 'Live');
    await hosts.until('the hand-over is written down', () => outgoingOf(hosts, id)?.ahead === true);
    await a.kill();
    const next = await hosts.start('a');
    await hosts.until('the move is over', () => isOver(hosts));
    expect(hosts.migration()?.status?.phase).toBe('Succeeded');
    expectWhole(hosts, 'VirtualMachine', 'b');
    await next.stop();
    await b.stop();
  });
});

describe('a container', () => {
  it('is copied while it runs, stopped, copied again and started there', async () => {
    const { hosts, a, b } = await runningGuest('Container');
    hosts.migrate('Container', 'box', 'Offline');
    await hosts.until('the move is over', () => isOver(hosts));
    expect(hosts.migration()?.status).toMatchObject({ phase: 'Succeeded' });
    expectWhole(hosts, 'Container', 'b');
    await a.stop();
    await b.stop();
  });
});

describe('a container of which much is to be copied', () => {
  it.each([
    ['again until it takes no longer', [20_000, 1_500], ['First', 'First', 'Final']],
    ['no more than three times', [20_000, 20_000, 20_000], ['First', 'First', 'First', 'Final']],
  ])('is copied %s, and only then stopped', async (_how, takeMs, passes) => {
    const { hosts, a, b } = await runningGuest('Container');
    hosts.ether.takeMs.push(...takeMs);
    hosts.migrate('Container', 'box', 'Offline');
    await hosts.until('the move is over', () => isOver(hosts));
    expect(hosts.ether.passes).toEqual(passes);
    expect(hosts.migration()?.status?.downtimeMilliseconds).toBeLessThan(1_500);
    expectWhole(hosts, 'Container', 'b');
    await a.stop();
    await b.stop();
  });
});

describe('a guest whose volumes go to another pool', () => {
  it.each([
    ['VirtualMachine', 'Live'],
    ['VirtualMachine', 'Offline'],
    ['Container', 'Offline'],
  ] as const)(
    'a %s that moves %s has them there, keeps them over a restart, and says so',
    async (kind, type) => {
      const { hosts, a, b } = await runningGuest(kind);
      const id = hosts.idOf(kind, nameOf(kind));
      hosts.createPool('other');
      await hosts.until('both hosts have the pool', () =>
        (['a', 'b'] as const).every((name) =>
          hosts.host(name)?.status?.pools?.some((pool) => pool.name === 'other'),
        ),
      );
      hosts.migrate(kind, nameOf(kind), type, { storage: [{ pool: 'local', target: 'other' }] });
      await hosts.until('the move is over', () => isOver(hosts));
      expect(hosts.migration()?.status, hosts.describe()).toMatchObject({ phase: 'Succeeded' });
      expect([hosts.volumes('a'), hosts.volumes('b')]).toEqual([[], []]);
      expect([hosts.volumes('a', 'other'), hosts.volumes('b', 'other')]).toEqual([[], [expect.any(String)]]);
      await hosts.until('it runs on b', () => isReady(hosts, kind) && hosts.ether.isRunning('b', id));
      const status = guestOf(hosts, kind as Kind)?.status;
      expect(status?.volumes?.map(({ pool }) => pool)).toEqual(['other']);
      expect(status?.pendingChanges).toMatchObject([{ from: 'other', to: 'local', class: 'Recreate' }]);
      expect(hosts.ether.violations).toEqual([]);
      await b.stop();
      const again = await hosts.start('b');
      await hosts.until('it is looked after again', () => isReady(hosts, kind));
      expect(hosts.volumes('b', 'other')).toHaveLength(1);
      expect(hosts.volumes('b')).toEqual([]);
      await a.stop();
      await again.stop();
    },
  );

  it.each(['Live', 'Offline'] as const)(
    'leaves shared storage by a move of type %s, and nothing of it there',
    async (type) => {
      const hosts = createHosts();
      hosts.createPool();
      hosts.createPool('shared');
      hosts.createMachine({ disks: [{ name: 'root', pool: 'shared', size: '1Gi' }] });
      const a = await hosts.start('a');
      const b = await hosts.start('b');
      await hosts.until('it runs on a', () => isReady(hosts, 'VirtualMachine'));
      expect(hosts.volumes('shared', 'shared')).toHaveLength(1);
      hosts.migrate('VirtualMachine', 'web', type, { storage: [{ pool: 'shared', target: 'local' }] });
      await hosts.until('the move is over', () => isOver(hosts));
      expect(hosts.migration()?.status, hosts.describe()).toMatchObject({ phase: 'Succeeded' });
      expect(hosts.volumes('shared', 'shared')).toEqual([]);
      expectWhole(hosts, 'VirtualMachine', 'b');
      await a.stop();
      await b.stop();
    },
  );

  it.each(['Live', 'Offline'] as const)(
    'stays on shared storage by a move of type %s that names no pool',
    async (type) => {
      const hosts = createHosts();
      hosts.createPool('shared');
      hosts.createMachine({ disks: [{ name: 'root', pool: 'shared', size: '1Gi' }] });
      const a = await hosts.start('a');
      const b = await hosts.start('b');
      await hosts.until('it runs on a', () => isReady(hosts, 'VirtualMachine'));
      hosts.migrate('VirtualMachine', 'web', type);
      await hosts.until('the move is over', () => isOver(hosts));
      expect(hosts.migration()?.status, hosts.describe()).toMatchObject({ phase: 'Succeeded' });
      expect(hosts.volumes('shared', 'shared')).toHaveLength(1);
      expect(hosts.sharedStorage.asked).toBe(type === 'Offline' ? 1 : 0);
      await a.stop();
      await b.stop();
    },
  );

  it('is not handed over, off, while its host still holds what it wrote to shared storage', async () => {
    const hosts = createHosts();
    hosts.createPool('shared');
    hosts.createMachine({ disks: [{ name: 'root', pool: 'shared', size: '1Gi' }] });
    const a = await hosts.start('a');
    const b = await hosts.start('b');
    await hosts.until('it runs on a', () => isReady(hosts, 'VirtualMachine'));
    hosts.sharedStorage.takesWrites = false;
    hosts.migrate('VirtualMachine', 'web', 'Offline');
    await hosts.until('its host has tried for long', () => hosts.sharedStorage.asked > 20);
    expect(hosts.machine()?.status?.placement).toMatchObject({ host: 'a', epoch: 1 });
    expect(hosts.migration()?.status?.message).toContain('does not take what it has written');
    hosts.sharedStorage.takesWrites = true;
    await hosts.until('the move is over', () => isOver(hosts));
    expect(hosts.machine()?.status?.placement).toMatchObject({ host: 'b', epoch: 2 });
    await a.stop();
    await b.stop();
  });

  /** It ran on b until b was lost, and runs on a now, as a manager's recovery leaves it. */
  async function recovered(pool: 'shared' | 'local') {
    const hosts = createHosts();
    hosts.createPool(pool);
    hosts.createMachine({ disks: [{ name: 'root', pool, size: '1Gi' }] });
    const place = (host: 'a' | 'b', epoch: number) =>
      hosts.user.mergePatch(
        VirtualMachine,
        { namespace: 'default', name: 'web' },
        { status: { placement: { host, epoch, since: '2026-01-01T00:00:00Z' } } },
        { subresource: 'status' },
      );
    await place('b', 1);
    const b = await hosts.start('b');
    const id = hosts.idOf('VirtualMachine', 'web');
    await hosts.until('it runs on b', () => hosts.ether.isRunning('b', id));
    await b.kill();
    await hosts.crash('b', id);
    await place('a', 2);
    const a = await hosts.start('a');
    await hosts.until(
      'it runs on a',
      () => hosts.ether.isRunning('a', id) && isReady(hosts, 'VirtualMachine'),
    );
    return { hosts, a, id };
  }

  it.each(['Live', 'Offline'] as const)(
    'goes back by a move of type %s to a host that was lost with it',
    async (type) => {
      const { hosts, a, id } = await recovered('shared');
      hosts.migrate('VirtualMachine', 'web', type);
      // The move is there when the host comes back, which has not seen yet that the guest is another's.
      const b = await hosts.start('b');
      await hosts.until('the move is over', () => isOver(hosts));
      expect(hosts.migration()?.status, hosts.describe()).toMatchObject({ phase: 'Succeeded' });
      expect(hosts.ether.runsOn(id)).toEqual([`b/${id}`]);
      expect(hosts.record('a', id)).toBeUndefined();
      expect(hosts.volumes('shared', 'shared')).toHaveLength(1);
      await a.stop();
      await b.stop();
    },
  );

  it('does not go back to a host that has a disk of it: that may be all there is of what it holds', async () => {
    const { hosts, a, id } = await recovered('local');
    const b = await hosts.start('b');
    hosts.migrate('VirtualMachine', 'web', 'Live');
    await hosts.until('the move is over', () => isOver(hosts));
    expect(hosts.migration()?.status).toMatchObject({
      phase: 'Failed',
      message: expect.stringContaining('an earlier stay'),
    });
    expect(hosts.volumes('b')).toHaveLength(1);
    expect(hosts.ether.runsOn(id)).toEqual([`a/${id}`]);
    await a.stop();
    await b.stop();
  });

  it('stays when the other pool is not open on its target', async () => {
    const { hosts, a, b } = await runningGuest('VirtualMachine');
    hosts.migrate('VirtualMachine', 'web', 'Live', { storage: [{ pool: 'local', target: 'other' }] });
    await hosts.until('the move is over', () => isOver(hosts));
    expect(hosts.migration()?.status).toMatchObject({
      phase: 'Failed',
      message: 'the StoragePool other is not open on the target',
    });
    expectWhole(hosts, 'VirtualMachine', 'a');
    await a.stop();
    await b.stop();
  });
});
