/** Programs that work on the volumes of a guest count as the guest: guarded before they start, dead when its keeper says that the guest is. */
import { describe, expect, it } from 'vitest';
import { createGuestPrograms } from '../../../src/agent/programs.ts';
import { ClusterPolicy } from '../../../src/api/kinds/clusterPolicy.ts';
import { VirtualMachine, type VirtualMachineSpec } from '../../../src/api/kinds/virtualMachine.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { Life } from '../../../src/keeper/contract.ts';
import { createFakePrograms } from './fakePrograms.ts';
import { createKeeperStub } from './keeperStub.ts';
import { createLab, type Lab } from './lab.ts';

const WEB = { kind: 'VirtualMachine', name: 'web' } as const;
const isOver = (lab: Lab) => lab.restore('back')?.status?.completedAt !== undefined;
const phaseOf = (lab: Lab) => lab.restore('back')?.status?.phase;

const policy = (lab: Lab) =>
  lab.user.seed(ClusterPolicy, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'ClusterPolicy',
    metadata: { name: 'default' },
    spec: {},
  });

/** As long as a guest may take to start after its gate was asked: a Restore asks there before it gives the disks. */
const HELD_MS = 200_000;

const change = (lab: Lab, spec: Partial<VirtualMachineSpec>) =>
  lab.user.mergePatch(VirtualMachine, { namespace: 'default', name: 'web' }, { spec });

/** A machine that is off, and has a backup. */
async function host({ ha, hasPolicy = true }: { ha: boolean; hasPolicy?: boolean }) {
  const programs = createFakePrograms();
  const keeper = createKeeperStub(programs.admit);
  const lab = createLab({ keeper: keeper.link, programs });
  lab.createPool('local');
  if (hasPolicy) policy(lab);
  const disks = [{ name: 'root', pool: 'local', size: '1Gi' }];
  const { uid } = lab.createMachine('web', { disks }).metadata;
  const id = lab.idOf('VirtualMachine', 'web');
  const agent = await lab.start();
  lab.createBackup('first', WEB);
  await lab.until('it is backed up', () => lab.backup('first')?.status?.phase === 'Succeeded');
  await lab.until('it is let go', () => lab.machine('web')?.status?.lock === undefined);
  await change(lab, { runStrategy: 'Halted', ...(ha ? { ha: {} } : {}) });
  await lab.until('it is off', () => lab.executing() === 0);
  const placement = { host: 'h1', epoch: 1, since: '2026-01-01T00:00:00Z', bootID: 'boot-1', term: 1 };
  await lab.patchStatus(VirtualMachine, 'web', { placement });
  await lab.until('nothing is guarded', () => keeper.guarded.size === 0);
  programs.told.splice(0);
  keeper.asked.splice(0);
  programs.state.takesTime = true;
  return { programs, keeper, lab, agent, id, key: `${uid}@1` };
}

type Scene = Awaited<ReturnType<typeof host>>;

async function untilAtWork({ lab, programs }: Scene): Promise<void> {
  lab.createRestore('back', 'first', WEB);
  await lab.until('a program runs', () => programs.running().length === 1);
}

describe('a guest with ha that is off', () => {
  it('is guarded before the first program works on its volumes, and as long as one does', async () => {
    const scene = await host({ ha: true });
    const { keeper, programs, lab, agent, id, key } = scene;
    expect([...keeper.guarded]).toEqual([]);
    await untilAtWork(scene);
    expect(programs.running()).toEqual([`prepare in ${id}/1`]);
    expect([...keeper.guarded]).toEqual([[key, id]]);
    await lab.clock.advance(600_000);
    expect([...keeper.guarded]).toEqual([[key, id]]);
    programs.finish();
    await lab.until('it is restored', () => phaseOf(lab) === 'Succeeded');
    await lab.until('it is guarded no more', () => keeper.guarded.size === 0, HELD_MS);
    expect(programs.rooms.size).toBe(0);
    await agent.stop();
  });

  it('has no program started while it cannot be guarded, and its job waits', async () => {
    const scene = await host({ ha: true });
    const { keeper, programs, lab, agent } = scene;
    keeper.host.isGone = true;
    lab.createRestore('back', 'first', WEB);
    await lab.clock.advance(30_000);
    expect(programs.running()).toEqual([]);
    expect(isOver(lab)).toBe(false);
    keeper.host.isGone = false;
    programs.finish();
    await lab.until('it is restored', () => phaseOf(lab) === 'Succeeded');
    await agent.stop();
  });

  it('is killed with its programs: the job begins nothing in the next life on behalf of the last', async () => {
    const scene = await host({ ha: true });
    const { keeper, programs, lab, agent, id } = scene;
    await untilAtWork(scene);
    keeper.kill(programs.kill);
    await lab.until('the job has ended', () => isOver(lab));
    expect(phaseOf(lab)).toBe('Failed');
    expect(programs.told.filter((line) => line.startsWith('prepare'))).toEqual([`prepare in ${id}/1`]);
    await lab.until('nothing is guarded', () => keeper.guarded.size === 0);
    expect(lab.machine('web')?.status?.lock).toBeUndefined();
    await agent.stop();
  });

  it('is not let go while something of a program that has ended does not die', async () => {
    const scene = await host({ ha: true });
    const { keeper, programs, lab, agent } = scene;
    await untilAtWork(scene);
    programs.state.immortal = true;
    programs.finish();
    await lab.until('it is restored', () => phaseOf(lab) === 'Succeeded');
    await lab.clock.advance(HELD_MS);
    expect(keeper.guarded.size).toBe(1);
    programs.state.immortal = false;
    await lab.until('it is let go', () => keeper.guarded.size === 0);
    await agent.stop();
  });

  it('has what an earlier agent began with its volumes ended before anything begins anew', async () => {
    const { keeper, programs, lab, agent, id } = await host({ ha: true });
    await agent.stop();
    // Left by one that died: its programs run on.
    programs.admit(id, 1);
    lab.createRestore('back', 'first', WEB);
    const next = await lab.start();
    await lab.until('a program runs', () => programs.running().length === 1);
    expect(programs.told).toEqual([`settled ${id}`, `prepare in ${id}/1`]);
    expect(keeper.guarded.size).toBe(1);
    programs.finish();
    await lab.until('it is restored', () => phaseOf(lab) === 'Succeeded');
    await next.stop();
  });
});

describe('other guests', () => {
  it('without ha have programs in a group that nobody guards, until they get ha', async () => {
    const scene = await host({ ha: false });
    const { keeper, programs, lab, agent, id, key } = scene;
    await untilAtWork(scene);
    expect(programs.running()).toEqual([`prepare in ${id}/unguarded`]);
    await lab.clock.advance(5_000);
    expect(keeper.guarded.size).toBe(0);
    await change(lab, { ha: {} });
    await lab.until('it is guarded', () => keeper.guarded.has(key));
    programs.finish();
    await lab.until('it is restored', () => phaseOf(lab) === 'Succeeded');
    const isTidy = () => programs.rooms.size === 0 && keeper.guarded.size === 0;
    await lab.until('no group is left', isTidy, HELD_MS);
    await agent.stop();
  });

  it('have programs where the agent is while there is no ClusterPolicy, and are guarded when those have ended', async () => {
    const scene = await host({ ha: true, hasPolicy: false });
    const { keeper, programs, lab, agent } = scene;
    await untilAtWork(scene);
    expect(programs.running()).toEqual(['prepare in no group']);
    policy(lab);
    await lab.clock.advance(10_000);
    expect(keeper.guarded.size).toBe(0);
    programs.finish();
    await lab.until('it is restored', () => phaseOf(lab) === 'Succeeded');
    await agent.stop();
  });
});

describe('work for a guest', () => {
  function host() {
    const pool = createFakePrograms();
    const now: { key: string | undefined; life: Life } = { key: 'uid@1', life: { bootID: 'boot', term: 1 } };
    const programs = createGuestPrograms({
      log: silentLog,
      groups: pool.groups,
      isOn: () => true,
      guardedAs: () => now.key,
      life: () => now.life,
      keep: async () => {
        pool.admit('g1', now.life.term);
        return now.life;
      },
    });
    const work = (meanwhile: () => void) =>
      programs.workFor('g1', async () => {
        meanwhile();
        await pool.run('tar');
      });
    return { pool, now, programs, work };
  }

  it('that an agent was paused in starts nothing when the host has come to another life meanwhile', async () => {
    const { pool, now, work } = host();
    const outlived = work(() => {
      now.life = { bootID: 'boot', term: 2 };
    });
    await expect(outlived).rejects.toMatchObject({ reason: 'WorkOutlived' });
    expect(pool.told).toEqual([]);
    await work(() => {});
    expect(pool.told).toEqual(['tar in g1/2']);
  });

  it('starts nothing when the guest has left meanwhile, or has come back under another epoch', async () => {
    const { pool, now, work } = host();
    for (const key of [undefined, 'uid@2']) {
      const before = now.key;
      await expect(
        work(() => {
          now.key = key;
        }),
      ).rejects.toMatchObject({ reason: 'WorkOutlived' });
      now.key = before;
    }
    expect(pool.told).toEqual([]);
  });

  it('that was refused leaves nothing that counts as running', async () => {
    const { now, programs, work } = host();
    await work(() => {
      now.key = undefined;
    }).catch(() => undefined);
    expect([programs.where('g1'), programs.isBusy()]).toEqual(['None', false]);
    await programs.settle('g1');
    expect(programs.idle()).toEqual([]);
  });
});
