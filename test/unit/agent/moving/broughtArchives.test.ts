/** Restores on a host whose guest came from another that has the archive: it is brought over, and nothing else of it is left. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../../../src/api/kinds/host.ts';
import { Migration } from '../../../../src/api/kinds/migration.ts';
import { Restore } from '../../../../src/api/kinds/restore.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import type { Hosts } from './hosts.ts';
import { expectWhole, isOver, isReady, type Kind, nameOf, runningGuest } from './stories.ts';

/** The guest was backed up on a, into a pool of a, and has moved to b. */
async function movedAway(kind: Kind) {
  const { hosts, a, b } = await runningGuest(kind);
  hosts.backup(kind, nameOf(kind));
  await hosts.until('it is backed up', () => hosts.backedUp()?.status?.phase === 'Succeeded');
  hosts.migrate(kind, nameOf(kind), kind === 'Container' ? 'Offline' : 'Live');
  await hosts.until('it has moved', () => isOver(hosts));
  await hosts.until('it runs on b', () => isReady(hosts, kind));
  await hosts.user.delete(Migration, { namespace: 'default', name: 'move' });
  return { hosts, a, b };
}

const isRestored = (hosts: Hosts) => hosts.restored()?.status?.completedAt !== undefined;
const reasonOf = (hosts: Hosts) =>
  hosts.restored()?.status?.conditions?.find(({ type }) => type === 'Ready')?.reason;
const readyOf = (hosts: Hosts) => hosts.copy()?.status?.conditions?.find(({ type }) => type === 'Ready');
const lockOf = (hosts: Hosts) => hosts.record('b', hosts.idOf('VirtualMachine', 'web'))?.lock;
/** Names of the volumes on b that hold what came by a restore. */
const replaced = (hosts: Hosts) =>
  Object.keys(JSON.parse(hosts.disks.b.get('/state/pools/local/pool.json') ?? '{}').replacedBy ?? {});
const archivesOf = (hosts: Hosts, host: 'a' | 'b') =>
  [...hosts.disks[host].keys()].filter((path) => path.includes('/archives/'));
const sayOfA = (hosts: Hosts, state: 'Online' | 'Fenced') =>
  hosts.user.mergePatch(Host, { name: 'a' }, { status: { state } }, { subresource: 'status' });

describe('a guest made from what another host has in a pool of its own', () => {
  it('has it on its first start, also when that host was away at first', async () => {
    const { hosts, a, b } = await movedAway('VirtualMachine');
    await sayOfA(hosts, 'Fenced');
    hosts.createCopy();
    await hosts.until('it waits', () => readyOf(hosts)?.reason === 'HostLost');
    await sayOfA(hosts, 'Online');
    await hosts.until('it is Ready', () => readyOf(hosts)?.status === 'True');
    expect(hosts.bringing.begun).toBe(1);
    expect(archivesOf(hosts, 'b')).toEqual([]);
    await a.stop();
    await b.stop();
  });
});

describe('a restore of what another host has in a pool of its own', () => {
  it.each(['VirtualMachine', 'Container'] as const)(
    'gives a %s its volumes back where it is',
    async (kind) => {
      const { hosts, a, b } = await movedAway(kind);
      expect(hosts.host('a')?.status?.peers).toEqual({ address: 'a', port: 7_000 });
      hosts.restore(kind, nameOf(kind));
      await hosts.until('it is restored', () => isRestored(hosts));
      expect(hosts.restored()?.status).toMatchObject({
        phase: 'Succeeded',
        host: 'b',
        progress: { percent: 100 },
      });
      expect(replaced(hosts)).toHaveLength(1);
      await hosts.until('it runs again', () => isReady(hosts, kind));
      expectWhole(hosts, kind, 'b');
      expect([archivesOf(hosts, 'a').length, archivesOf(hosts, 'b').length]).toEqual([1, 0]);
      await a.stop();
      await b.stop();
    },
  );

  it('goes on when the agent there dies in the middle and is back, and the guest runs meanwhile', async () => {
    const { hosts, a, b } = await movedAway('VirtualMachine');
    const id = hosts.idOf('VirtualMachine', 'web');
    hosts.bringing.isHeld = true;
    hosts.restore('VirtualMachine', 'web');
    await hosts.until('it is on its way', () => hosts.bringing.begun === 1);
    await a.kill();
    await hosts.until('it waits', () => reasonOf(hosts) === 'PeerUnreachable');
    expect(hosts.ether.runsOn(id)).toEqual([`b/${id}`]);
    hosts.bringing.isHeld = false;
    const next = await hosts.start('a');
    await hosts.until('it is restored', () => isRestored(hosts));
    expect(hosts.restored()?.status?.phase).toBe('Succeeded');
    await hosts.until('it runs again', () => isReady(hosts, 'VirtualMachine'));
    expectWhole(hosts, 'VirtualMachine', 'b');
    await next.stop();
    await b.stop();
  });

  it('begins anew when the agent of the guest dies in the middle, and nothing is left of what had come', async () => {
    const { hosts, a, b } = await movedAway('VirtualMachine');
    hosts.bringing.isHeld = true;
    hosts.restore('VirtualMachine', 'web');
    await hosts.until('it is on its way', () => hosts.bringing.begun === 1);
    await b.kill();
    hosts.bringing.isHeld = false;
    const next = await hosts.start('b');
    await hosts.until('it is restored', () => isRestored(hosts));
    expect(hosts.restored()?.status?.phase).toBe('Succeeded');
    await hosts.until('it runs again', () => isReady(hosts, 'VirtualMachine'));
    expectWhole(hosts, 'VirtualMachine', 'b');
    expect([hosts.bringing.begun, archivesOf(hosts, 'b')]).toEqual([2, []]);
    await a.stop();
    await next.stop();
  });

  it('changes no disk of a guest that was placed elsewhere while it was on its way', async () => {
    const { hosts, a, b } = await movedAway('VirtualMachine');
    hosts.bringing.isHeld = true;
    hosts.restore('VirtualMachine', 'web');
    await hosts.until('it is on its way', () => hosts.bringing.begun === 1);
    const { epoch = 0, since = '' } = hosts.machine()?.status?.placement ?? {};
    const status = { placement: { host: 'a', epoch: epoch + 1, since } };
    const ref = { namespace: 'default', name: 'web' };
    await hosts.user.mergePatch(VirtualMachine, ref, { status }, { subresource: 'status' });
    hosts.bringing.isHeld = false;
    await hosts.clock.advance(60_000);
    expect(replaced(hosts)).toEqual([]);
    await a.stop();
    await b.stop();
  });

  it('ends by name when that host does not come back from the middle, and the guest is as it was', async () => {
    const { hosts, a, b } = await movedAway('VirtualMachine');
    hosts.bringing.isHeld = true;
    hosts.restore('VirtualMachine', 'web', { startDeadlineSeconds: 60 });
    await hosts.until('it is on its way', () => hosts.bringing.begun === 1);
    await a.kill();
    await sayOfA(hosts, 'Fenced');
    await hosts.until('it waits', () => reasonOf(hosts) === 'HostLost');
    expect(hosts.restored()?.status?.phase).toBe('Running');
    await hosts.until('it is over', () => isRestored(hosts));
    expect([hosts.restored()?.status?.phase, reasonOf(hosts)]).toEqual(['Failed', 'HostLost']);
    await hosts.until('nothing is locked', () => lockOf(hosts) === undefined);
    expect(replaced(hosts)).toEqual([]);
    expectWhole(hosts, 'VirtualMachine', 'b');
    await b.stop();
  });

  it('waits for a host that is lost before it has begun, and begins when that is back', async () => {
    const { hosts, a, b } = await movedAway('VirtualMachine');
    await sayOfA(hosts, 'Fenced');
    hosts.restore('VirtualMachine', 'web');
    await hosts.until('it waits', () => reasonOf(hosts) === 'HostLost');
    expect(lockOf(hosts)).toBeUndefined();
    await sayOfA(hosts, 'Online');
    await hosts.until('it is restored', () => isRestored(hosts));
    expect(hosts.restored()?.status?.phase).toBe('Succeeded');
    await a.stop();
    await b.stop();
  });

  it('is called off by its deletion while the archive is on its way', async () => {
    const { hosts, a, b } = await movedAway('VirtualMachine');
    hosts.bringing.isHeld = true;
    hosts.restore('VirtualMachine', 'web');
    await hosts.until('it is on its way', () => hosts.bringing.begun === 1);
    await hosts.user.delete(Restore, { namespace: 'default', name: 'back' });
    await hosts.until('nothing is locked', () => lockOf(hosts) === undefined);
    hosts.bringing.isHeld = false;
    expect(replaced(hosts)).toEqual([]);
    expectWhole(hosts, 'VirtualMachine', 'b');
    await a.stop();
    await b.stop();
  });
});
