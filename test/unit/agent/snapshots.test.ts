import { describe, expect, it } from 'vitest';
import { Rollback } from '../../../src/api/kinds/rollback.ts';
import { Snapshot } from '../../../src/api/kinds/snapshot.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { crashEverywhere } from './crashEverywhere.ts';
import { createCrasher } from './crasher.ts';
import { createLab, type Lab } from './lab.ts';

const GUEST = { kind: 'VirtualMachine', name: 'web' } as const;
const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
const life = (lab: Lab) => lab.lives('machines').find(({ id }) => id === webId(lab));
const isReady = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True';
const phase = (lab: Lab, name: string) => lab.snapshot(name)?.status?.phase;
const reason = (lab: Lab, name: string) => lab.conditionOf(lab.snapshot(name), 'Ready')?.reason;
const rolled = (lab: Lab, name = 'back') => lab.rollback(name)?.status;

/** What the simulated pool holds of the guest's disk. */
function volumeOf(lab: Lab): { size: number | undefined; snapshots: string[] } {
  const id = `${webId(lab)}-data`;
  const pool = JSON.parse(lab.disk.get('/state/pools/local/pool.json') ?? '{}') as {
    volumes: { id: string; sizeBytes: number }[];
    snapshots: Record<string, object>;
  };
  return {
    size: pool.volumes.find((volume) => volume.id === id)?.sizeBytes,
    snapshots: Object.keys(pool.snapshots[id] ?? {}),
  };
}

function createWeb(lab: Lab, spec: object = {}) {
  lab.createPool('local');
  lab.createMachine('web', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }], ...spec });
}

async function labWithWeb(spec: object = {}) {
  const lab = createLab();
  createWeb(lab, spec);
  const agent = await lab.start();
  await lab.until('web is Ready', () => isReady(lab));
  return { lab, agent };
}

async function take(lab: Lab, name: string) {
  lab.createSnapshot(name, GUEST);
  await lab.until(`${name} is taken`, () => !['Pending', 'Taking', undefined].includes(phase(lab, name)));
}

async function grow(lab: Lab, size: string, bytes: number) {
  await lab.edit(VirtualMachine, 'web', { disks: [{ name: 'data', pool: 'local', size }] });
  await lab.until('the disk has grown', () => volumeOf(lab).size === bytes);
}

const GIB = 2 ** 30;

describe('a snapshot', () => {
  it('of a running machine finds its file systems frozen, and lets it go on', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'first');
    expect(lab.snapshot('first')?.status).toMatchObject({
      phase: 'Ready',
      consistency: 'Filesystem',
      volumes: [{ name: 'data', pool: 'local', size: '1Gi' }],
    });
    expect(reason(lab, 'first')).toBe('Ready');
    expect(life(lab)).toMatchObject({ state: 'Running' });
    expect(life(lab)).not.toHaveProperty('frozen');
    expect(volumeOf(lab).snapshots).toEqual([`snap-${lab.snapshot('first')?.metadata.uid}`]);
    expect(lab.record(webId(lab))).not.toHaveProperty('lock');
    expect(lab.machine('web')?.status?.lock).toBeUndefined();
    expect(lab.starts(webId(lab))).toBe(1);
    await agent.stop();
  });

  it('without an agent that freezes is as after a power cut, and of a machine that is off it is not', async () => {
    const { lab, agent } = await labWithWeb();
    lab.faults['default/web'] = { failFreeze: true };
    await take(lab, 'crash');
    expect(lab.snapshot('crash')?.status?.consistency).toBe('Crash');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => life(lab)?.state === 'Off');
    await take(lab, 'off');
    expect(lab.snapshot('off')?.status).toMatchObject({ consistency: 'Filesystem', stillMilliseconds: 0 });
    expect(life(lab)?.state).toBe('Off');
    await agent.stop();
  });

  it('of a machine whose agent hangs in the freeze is as after a power cut too, and lets it go on', async () => {
    const { lab, agent } = await labWithWeb();
    lab.faults['default/web'] = { hangFreeze: true };
    await take(lab, 'hung');
    expect(lab.snapshot('hung')?.status?.consistency).toBe('Crash');
    await lab.until('nothing is locked', () => lab.machine('web')?.status?.lock === undefined);
    expect(life(lab)).toMatchObject({ state: 'Running' });
    delete lab.faults['default/web'];
    await lab.until('it is thawed', () => !('frozen' in (life(lab) ?? {})), 15_000);
    await agent.stop();
  });

  it('knows where it came from, also after one in the middle was deleted', async () => {
    const { lab, agent } = await labWithWeb();
    for (const name of ['a', 'b', 'c']) await take(lab, name);
    expect(lab.snapshot('c')?.status?.parent).toBe('b');
    await lab.remove(Snapshot, 'b');
    await lab.until('b is gone', () => lab.snapshot('b') === undefined);
    await lab.until('c comes from a', () => lab.snapshot('c')?.status?.parent === 'a');
    expect(volumeOf(lab).snapshots).toHaveLength(2);
    expect(lab.snapshot('a')?.status?.parent).toBeUndefined();
    await agent.stop();
  });

  it('that does not fit leaves nothing behind, and the machine runs on', async () => {
    const { lab, agent } = await labWithWeb();
    lab.poolFaults.full = true;
    await take(lab, 'first');
    expect(phase(lab, 'first')).toBe('Failed');
    expect(reason(lab, 'first')).toBe('PoolFull');
    expect(life(lab)).toMatchObject({ state: 'Running' });
    expect(life(lab)).not.toHaveProperty('frozen');
    expect(volumeOf(lab).snapshots).toEqual([]);
    expect(lab.record(webId(lab))).not.toHaveProperty('lock');
    await agent.stop();
  });

  it('of nothing fails, one that comes late is not taken, and a restored copy is skipped', async () => {
    const lab = createLab();
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until('web is Ready', () => isReady(lab));
    await take(lab, 'empty');
    expect(reason(lab, 'empty')).toBe('NoVolumes');
    lab.createSnapshot('copy', GUEST, {}, { 'vireo.dev/started': 'copy/another-uid' });
    await lab.until('it is skipped', () => phase(lab, 'copy') === 'Skipped');
    lab.createSnapshot('late', { kind: 'VirtualMachine', name: 'other' }, { startDeadlineSeconds: 30 });
    await lab.until('it has expired', () => reason(lab, 'late') === 'Expired');
    await agent.stop();
  });

  it('is lost with its guest, and keeps nothing from being deleted', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'first');
    await lab.remove(VirtualMachine, 'web');
    await lab.until('it is lost', () => phase(lab, 'first') === 'Lost');
    await lab.remove(Snapshot, 'first');
    await lab.until('it is gone', () => lab.snapshot('first') === undefined);
    await agent.stop();
  });

  it('keeps its guest on its host', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'first');
    await lab.until('that is said', () => {
      const condition = lab.conditionOf(lab.machine('web'), 'Migratable');
      return condition?.status === 'False' && condition.message.includes('snapshots');
    });
    await lab.remove(Snapshot, 'first');
    await lab.until('and said no more', () => {
      const condition = lab.conditionOf(lab.machine('web'), 'Migratable');
      return condition?.message.includes('snapshots') === false;
    });
    await agent.stop();
  });

  it('waits while the control plane cannot be asked whose the guest is', async () => {
    const { lab, agent } = await labWithWeb();
    lab.api.intercept = ({ kind, verb }) => {
      if (kind.kind === 'VirtualMachine' && verb === 'get') throw new Error('no answer');
    };
    lab.createSnapshot('first', GUEST);
    await lab.clock.advance(20_000);
    expect(volumeOf(lab).snapshots).toEqual([]);
    expect(life(lab)?.state).toBe('Running');
    delete lab.api.intercept;
    await lab.until('it is taken', () => phase(lab, 'first') === 'Ready');
    await agent.stop();
  });
});

describe('a guest made from a snapshot', () => {
  it('has what the snapshot holds, and an identity of its own, whatever becomes of the first', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'first');
    await grow(lab, '2Gi', 2 * GIB);
    const source = { snapshot: { name: 'first', disk: 'data' } };
    lab.createMachine('copy', { disks: [{ name: 'root', pool: 'local', source }] });
    const isCopied = () => lab.conditionOf(lab.machine('copy'), 'Ready')?.status === 'True';
    await lab.until('the copy is Ready', isCopied);
    expect(lab.machine('copy')?.status?.volumes).toMatchObject([{ name: 'root', size: '1Gi' }]);
    expect(lab.machine('copy')?.status?.uuid).not.toBe(lab.machine('web')?.status?.uuid);
    await lab.remove(Snapshot, 'first');
    await lab.remove(VirtualMachine, 'web');
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    expect(isCopied()).toBe(true);
    await agent.stop();
  });

  it('waits for it, and is refused another pool', async () => {
    const { lab, agent } = await labWithWeb();
    lab.createPool('other');
    const from = (pool: string) => [{ name: 'data', pool, source: { snapshot: { name: 'first' } } }];
    lab.createMachine('copy', { disks: from('local') });
    lab.createMachine('far', { disks: from('other') });
    const why = (name: string) => lab.conditionOf(lab.machine(name), 'Ready')?.reason;
    await lab.until(
      'both wait',
      () => why('copy') === 'SnapshotNotReady' && why('far') === 'SnapshotNotReady',
    );
    await take(lab, 'first');
    await lab.until('one is made', () => lab.conditionOf(lab.machine('copy'), 'Ready')?.status === 'True');
    await lab.until('one is refused', () => why('far') === 'SnapshotInOtherPool');
    await agent.stop();
  });
});

describe('a rollback', () => {
  it('of a running machine is refused unless it may be stopped', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'first');
    lab.createRollback('back', 'first', GUEST);
    await lab.until('it is over', () => rolled(lab)?.completedAt !== undefined);
    expect(rolled(lab)?.phase).toBe('Failed');
    expect(lab.conditionOf(lab.rollback('back'), 'Stalled')?.reason).toBe('GuestRunning');
    expect(lab.starts(webId(lab))).toBe(1);
    await agent.stop();
  });

  it('brings the disks back, keeps who it is, and starts it again', async () => {
    const { lab, agent } = await labWithWeb();
    const uuid = lab.machine('web')?.status?.uuid;
    await take(lab, 'first');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'RerunOnFailure' });
    await grow(lab, '2Gi', 2 * GIB);
    lab.createRollback('back', 'first', GUEST, { ifRunning: 'Stop' });
    await lab.until('it is over', () => rolled(lab)?.completedAt !== undefined);
    expect(rolled(lab)?.phase).toBe('Succeeded');
    // The spec stays: what it asks for is grown again.
    await lab.until('it runs again', () => life(lab)?.state === 'Running' && volumeOf(lab).size === 2 * GIB);
    expect(lab.starts(webId(lab))).toBe(2);
    expect(lab.machine('web')?.status?.uuid).toBe(uuid);
    expect(lab.record(webId(lab))).not.toHaveProperty('lock');
    await take(lab, 'second');
    expect(lab.snapshot('second')?.status?.parent).toBe('first');
    await agent.stop();
  });

  it('shows what the guest is held off for, and is called off by its deletion', async () => {
    const { lab, agent } = await labWithWeb({ shutdown: { timeoutSeconds: 600 } });
    await take(lab, 'first');
    lab.faults['default/web'] = { ignoreShutdown: true };
    lab.createRollback('back', 'first', GUEST, { ifRunning: 'Stop' });
    await lab.until('it waits for the machine', () => rolled(lab)?.phase === 'Running');
    await lab.until('that is seen', () => lab.machine('web')?.status?.lock?.operation === 'Rollback');
    expect(lab.machine('web')?.status?.lock?.reason).toBe('Rollback default/back');
    await lab.remove(Rollback, 'back');
    await lab.until('the lock is gone', () => lab.record(webId(lab))?.lock === undefined);
    await lab.until('and not shown any more', () => lab.machine('web')?.status?.lock === undefined);
    await agent.stop();
  });

  it("to what is not there waits, to what failed or is another guest's fails", async () => {
    const { lab, agent } = await labWithWeb({ runStrategy: 'Halted' });
    lab.createRollback('back', 'nothing', GUEST);
    await lab.until(
      'it waits',
      () => lab.conditionOf(lab.rollback('back'), 'Ready')?.reason === 'SnapshotNotFound',
    );
    lab.createSnapshot('others', { kind: 'VirtualMachine', name: 'other' });
    lab.createRollback('wrong', 'others', GUEST);
    await lab.until('it failed', () => rolled(lab, 'wrong')?.phase === 'Failed');
    expect(lab.conditionOf(lab.rollback('wrong'), 'Stalled')?.reason).toBe('SnapshotOfOther');
    await agent.stop();
  });

  it('does not overlap with another, nor a snapshot with it', async () => {
    const { lab, agent } = await labWithWeb({ shutdown: { timeoutSeconds: 600 } });
    await take(lab, 'first');
    lab.faults['default/web'] = { ignoreShutdown: true };
    lab.createRollback('back', 'first', GUEST, { ifRunning: 'Stop' });
    await lab.until('it waits for the machine', () => rolled(lab)?.phase === 'Running');
    lab.createSnapshot('second', GUEST);
    lab.createRollback('again', 'first', GUEST, { ifRunning: 'Stop' });
    const waits = (lab: Lab) => [
      reason(lab, 'second'),
      lab.conditionOf(lab.rollback('again'), 'Ready')?.reason,
    ];
    await lab.until('both wait', () => waits(lab).join() === 'GuestLocked,GuestLocked');
    delete lab.faults['default/web'];
    await lab.until('all are over', () => rolled(lab, 'again')?.completedAt !== undefined);
    await lab.until('and taken', () => phase(lab, 'second') === 'Ready');
    expect([rolled(lab)?.phase, rolled(lab, 'again')?.phase]).toEqual(['Succeeded', 'Succeeded']);
    await lab.until('it runs', () => isReady(lab) && life(lab)?.state === 'Running');
    await agent.stop();
  });
});

describe('an agent killed between any two side effects', () => {
  const withWeb = async (lab: Lab, prepare: (lab: Lab) => Promise<void> = async () => {}) => {
    createWeb(lab);
    const agent = await lab.start();
    await lab.until('web is Ready', () => isReady(lab));
    await prepare(lab);
    await agent.stop();
  };
  const checkWeb = (lab: Lab, starts: number) => {
    expect(life(lab)).toMatchObject({ state: 'Running' });
    expect(life(lab)).not.toHaveProperty('frozen');
    expect(lab.starts(webId(lab))).toBe(starts);
    expect(lab.record(webId(lab))).not.toHaveProperty('lock');
    expect(lab.machine('web')?.status?.lock).toBeUndefined();
    expect(isReady(lab)).toBe(true);
  };

  it('takes a snapshot once, and never leaves the machine standing still or frozen', async () => {
    const effects = await crashEverywhere({
      prepare: async (lab) => {
        await withWeb(lab);
        lab.createSnapshot('first', GUEST);
      },
      isOver: (lab) => phase(lab, 'first') === 'Ready',
      check: (lab) => {
        checkWeb(lab, 1);
        expect(volumeOf(lab).snapshots).toEqual([`snap-${lab.snapshot('first')?.metadata.uid}`]);
      },
    });
    expect(effects).toBeGreaterThan(8);
  }, 120_000);

  it('removes one with all it kept', async () => {
    await crashEverywhere({
      prepare: async (lab) => {
        await withWeb(lab, async () => {
          await take(lab, 'first');
          await take(lab, 'second');
        });
        await lab.remove(Snapshot, 'first');
      },
      isOver: (lab) => lab.snapshot('first') === undefined,
      check: (lab) => {
        checkWeb(lab, 1);
        expect(volumeOf(lab).snapshots).toHaveLength(1);
        expect(lab.snapshot('second')?.status?.parent).toBeUndefined();
      },
    });
  }, 120_000);

  it('rolls back once, and the machine runs on what it was', async () => {
    const effects = await crashEverywhere({
      prepare: async (lab) => {
        await withWeb(lab, async () => {
          await take(lab, 'first');
          await grow(lab, '2Gi', 2 * GIB);
          await lab.edit(VirtualMachine, 'web', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }] });
        });
        lab.createRollback('back', 'first', GUEST, { ifRunning: 'Stop' });
      },
      isOver: (lab) => rolled(lab)?.completedAt !== undefined,
      check: (lab) => {
        expect(rolled(lab)?.phase).toBe('Succeeded');
        checkWeb(lab, 2);
        expect(volumeOf(lab).size).toBe(GIB);
      },
    });
    expect(effects).toBeGreaterThan(12);
  }, 120_000);

  it('is followed by one that lets go a machine whose Snapshot is gone by then', async () => {
    const lab = createLab();
    await withWeb(lab);
    lab.createSnapshot('first', GUEST);
    const crasher = createCrasher();
    const dying = await lab.start(crasher);
    await lab.until('it stands still', () => {
      if (life(lab)?.state === 'Paused') crasher.kill();
      return crasher.isDead();
    });
    await dying.stop();
    await lab.user.mergePatch(
      Snapshot,
      { namespace: 'default', name: 'first' },
      { metadata: { finalizers: [] } },
    );
    await lab.remove(Snapshot, 'first');
    const agent = await lab.start();
    await lab.until('the lock is gone', () => lab.record(webId(lab))?.lock === undefined);
    await lab.until('it runs', () => isReady(lab));
    checkWeb(lab, 1);
    expect(volumeOf(lab).snapshots).toEqual([]);
    await agent.stop();
  });
});
