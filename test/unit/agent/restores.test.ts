/** Restores of guests on a simulated host: who the guest is, what its disks hold, and what becomes of both when anything dies. */
import { describe, expect, it } from 'vitest';
import type { Holder } from '../../../src/agent/archives/bring.ts';
import { judgeArchive } from '../../../src/agent/restores/judge.ts';
import { Backup } from '../../../src/api/kinds/backup.ts';
import { Restore, type RestoreSpec } from '../../../src/api/kinds/restore.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { crashEverywhere } from './crashEverywhere.ts';
import { createLab, type Lab } from './lab.ts';

const WEB = { kind: 'VirtualMachine', name: 'web' } as const;
const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
const life = (lab: Lab) => lab.lives('machines').find(({ id }) => id === webId(lab));
const isReady = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True';
const statusOf = (lab: Lab, name = 'back') => lab.restore(name)?.status;
const reasonOf = (lab: Lab, name = 'back') => lab.conditionOf(lab.restore(name), 'Ready')?.reason;
const isOver = (lab: Lab, name = 'back') => statusOf(lab, name)?.completedAt !== undefined;

/** Names of web's disks whose data came by a restore, and of what is still prepared for any. */
function disksOf(lab: Lab): { restored: string[]; prepared: string[] } {
  const pool = JSON.parse(lab.disk.get('/state/pools/local/pool.json') ?? '{}') as {
    prepared?: Record<string, object>;
    replacedBy?: Record<string, string>;
  };
  const name = (id: string) => id.replace(`${webId(lab)}-`, '');
  return {
    restored: Object.keys(pool.replacedBy ?? {})
      .map(name)
      .sort(),
    prepared: Object.keys(pool.prepared ?? {}).map(name),
  };
}

function createWeb(lab: Lab, spec: object = {}) {
  lab.createPool('local');
  const disks = ['data', 'root'].map((name) => ({ name, pool: 'local', size: '1Gi' }));
  lab.createMachine('web', { disks, ...spec });
}

async function withBackup(lab: Lab, spec: object = {}) {
  createWeb(lab, spec);
  const agent = await lab.start();
  await lab.until('web is Ready', () => isReady(lab));
  lab.createBackup('first', WEB);
  await lab.until('it is backed up', () => lab.backup('first')?.status?.phase === 'Succeeded');
  await lab.until('nothing is locked', () => lab.machine('web')?.status?.lock === undefined);
  return agent;
}

async function labWithBackup(spec: object = {}, options: Parameters<typeof createLab>[0] = {}) {
  const lab = createLab(options);
  const agent = await withBackup(lab, spec);
  return { lab, agent };
}

async function restore(lab: Lab, more: Partial<RestoreSpec> = {}, name = 'back') {
  lab.createRestore(name, 'first', WEB, more);
  await lab.until(`${name} is over`, () => isOver(lab, name));
}

describe('a restore', () => {
  it('of a running machine is refused unless it may be stopped', async () => {
    const { lab, agent } = await labWithBackup();
    await restore(lab);
    expect([statusOf(lab)?.phase, reasonOf(lab)]).toEqual(['Failed', 'GuestRunning']);
    expect(disksOf(lab)).toEqual({ restored: [], prepared: [] });
    expect(lab.starts(webId(lab))).toBe(1);
    await agent.stop();
  });

  it('says every few seconds how much of the disks is made', async () => {
    const { lab, agent } = await labWithBackup({}, { poolLatencyMs: 30_000 });
    const said: number[] = [];
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    await lab.until(
      'it is over',
      () => {
        const { progress } = statusOf(lab) ?? {};
        if (progress !== undefined && progress.percent !== said.at(-1)) said.push(progress.percent);
        return isOver(lab);
      },
      600_000,
    );
    expect(said).toEqual([25, 50, 75, 100]);
    await agent.stop();
  });

  it('lets the machine run until its disks are made, then gives them to it and starts it again', async () => {
    const { lab, agent } = await labWithBackup({}, { poolLatencyMs: 2_000 });
    const uuid = lab.machine('web')?.status?.uuid;
    const declared = () => {
      const { spec, metadata } = lab.machine('web') ?? {};
      const { generation, labels, annotations } = metadata ?? {};
      return structuredClone({ spec, generation, labels, annotations });
    };
    const before = declared();
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    await lab.until('its lock is shown', () => lab.machine('web')?.status?.lock?.operation === 'Restore');
    await lab.until('the disks are made', () => {
      expect(disksOf(lab).restored).toEqual([]);
      const { prepared } = disksOf(lab);
      if (prepared.length < 2) expect(life(lab)?.state).toBe('Running');
      return prepared.length === 2;
    });
    await lab.until('it is over', () => isOver(lab));
    expect(statusOf(lab)).toMatchObject({ phase: 'Succeeded' });
    expect(disksOf(lab)).toEqual({ restored: ['data', 'root'], prepared: [] });
    await lab.until('it runs again', () => isReady(lab) && lab.machine('web')?.status?.lock === undefined);
    expect(lab.starts(webId(lab))).toBe(2);
    expect(lab.machine('web')?.status?.uuid).toBe(uuid);
    // What Git says of it was not touched.
    expect(declared()).toEqual(before);
    await agent.stop();
  });

  it('does not shut the machine down, once its disks are made, while the API server is away: it could not be started again', async () => {
    const { lab, agent } = await labWithBackup({}, { poolLatencyMs: 2_000 });
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    await lab.until('a disk is made', () => disksOf(lab).prepared.length === 1);
    lab.api.intercept = async ({ verb, kind }) => {
      if (verb === 'get' && kind.kind === 'VirtualMachine') throw new Error('the API server is away');
    };
    for (let step = 0; step < 20; step += 1) {
      await lab.clock.advance(3_000);
      expect(life(lab)?.state).toBe('Running');
    }
    expect(disksOf(lab).prepared).toHaveLength(2);
    delete lab.api.intercept;
    await lab.until('it is over', () => isOver(lab));
    expect(disksOf(lab).restored).toEqual(['data', 'root']);
    await lab.until('it runs again', () => isReady(lab));
    await agent.stop();
  });

  it('of a machine that is off holds it off meanwhile, and leaves it off', async () => {
    const { lab, agent } = await labWithBackup({}, { poolLatencyMs: 2_000 });
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => life(lab)?.state === 'Off');
    lab.createRestore('back', 'first', WEB, { disks: ['data'] });
    await lab.until('it is locked', () => lab.record(webId(lab))?.lock !== undefined);
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Manual' });
    await lab.until('it is over', () => {
      expect(life(lab)?.state).toBe('Off');
      return isOver(lab);
    });
    expect(disksOf(lab)).toEqual({ restored: ['data'], prepared: [] });
    await lab.clock.advance(10_000);
    expect(life(lab)?.state).toBe('Off');
    await agent.stop();
  });

  it('is called off by its deletion while the disks are made, and the machine has not noticed', async () => {
    const { lab, agent } = await labWithBackup({}, { poolLatencyMs: 5_000 });
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    await lab.until('the first disk is made', () => disksOf(lab).prepared.length === 1);
    await lab.remove(Restore, 'back');
    await lab.until('the lock is gone', () => lab.record(webId(lab))?.lock === undefined);
    await lab.until('and not shown any more', () => lab.machine('web')?.status?.lock === undefined);
    expect(disksOf(lab)).toEqual({ restored: [], prepared: [] });
    expect(lab.starts(webId(lab))).toBe(1);
    await agent.stop();
  });

  it('fails by name, with the disks as they were: of what does not fit, is broken, or is not there', async () => {
    const { lab, agent } = await labWithBackup();
    lab.poolFaults.full = true;
    await restore(lab, { ifRunning: 'Stop' }, 'full');
    lab.poolFaults.full = false;
    await restore(lab, { ifRunning: 'Stop', disks: ['swap'] }, 'strange');
    const [manifest = ''] = [...lab.disk.keys()].filter((path) => path.endsWith('/manifest.json'));
    const written = lab.disk.get(manifest) ?? '';
    lab.disk.set(manifest, written.replace('"version": 1', '"version": 99'));
    await restore(lab, { ifRunning: 'Stop' }, 'newer');
    lab.disk.set(manifest, written.slice(0, -10));
    await restore(lab, { ifRunning: 'Stop' }, 'torn');
    for (const path of [...lab.disk.keys()]) if (path.includes('/archives/')) lab.disk.delete(path);
    await restore(lab, { ifRunning: 'Stop' }, 'lost');
    expect(['full', 'strange', 'newer', 'torn', 'lost'].map((name) => reasonOf(lab, name))).toEqual([
      'PoolFull',
      'DisksDiffer',
      'ArchiveTooNew',
      'ArchiveBroken',
      'ArchiveMissing',
    ]);
    expect(disksOf(lab)).toEqual({ restored: [], prepared: [] });
    await lab.until('nothing is locked', () => lab.machine('web')?.status?.lock === undefined);
    expect(lab.starts(webId(lab))).toBe(1);
    await agent.stop();
  });

  it('onto a disk that is smaller now is refused by name, and the disk stays what it is', async () => {
    const { lab, agent } = await labWithBackup();
    await lab.remove(VirtualMachine, 'web');
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    const disks = ['data', 'root'].map((name) => ({ name, pool: 'local', size: '512Mi' }));
    lab.createMachine('web', { disks });
    await lab.until('web is Ready', () => isReady(lab));
    await restore(lab, { ifRunning: 'Stop' });
    expect(reasonOf(lab)).toBe('SizeTooSmall');
    expect(disksOf(lab)).toEqual({ restored: [], prepared: [] });
    await lab.until('nothing is locked', () => lab.machine('web')?.status?.lock === undefined);
    expect(lab.starts(webId(lab))).toBe(2);
    await agent.stop();
  });

  it('waits for a backup that is not made yet, expires, and does not need the Backup once its disks are made', async () => {
    const { lab, agent } = await labWithBackup({ shutdown: { timeoutSeconds: 600 } });
    lab.createRestore('early', 'second', WEB, { startDeadlineSeconds: 30 });
    await lab.until('it waits', () => reasonOf(lab, 'early') === 'BackupNotFound');
    await lab.until('it has expired', () => reasonOf(lab, 'early') === 'Expired');
    lab.faults['default/web'] = { ignoreShutdown: true };
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    await lab.until('the disks are made', () => disksOf(lab).prepared.length === 2);
    await lab.remove(Backup, 'first');
    await lab.until('it is gone', () => lab.backup('first') === undefined);
    delete lab.faults['default/web'];
    await lab.until('it is over', () => isOver(lab), 700_000);
    expect(disksOf(lab).restored).toEqual(['data', 'root']);
    await agent.stop();
  });

  it('of a machine that has moved is made from a pool that both hosts share, and waits for a host that has the archive alone', async () => {
    const { lab, agent } = await labWithBackup();
    lab.createPool('nas', { shared: true });
    lab.createBackup('shared', WEB, { pool: 'nas' });
    await lab.until('it is backed up', () => lab.backup('shared')?.status?.phase === 'Succeeded');
    // As it is after a move from h9: the archive in the pool of each host has stayed there.
    for (const name of ['first', 'shared']) await lab.patchStatus(Backup, name, { host: 'h9' });
    for (const path of [...lab.disk.keys()])
      if (path.includes('/pools/local/archives/')) lab.disk.delete(path);
    lab.createRestore('waiting', 'first', WEB, { ifRunning: 'Stop', startDeadlineSeconds: 30 });
    await lab.until('it waits', () => reasonOf(lab, 'waiting') === 'HostLost');
    expect(statusOf(lab, 'waiting')?.message).toContain('h9');
    await lab.until('it has expired', () => isOver(lab, 'waiting'));
    expect(statusOf(lab, 'waiting')?.message).toMatch(/could not begin .*h9/);
    expect(lab.starts(webId(lab))).toBe(1);
    await restore(lab, { ifRunning: 'Stop', backup: 'shared' }, 'back');
    expect(statusOf(lab)?.phase).toBe('Succeeded');
    expect(disksOf(lab)).toEqual({ restored: ['data', 'root'], prepared: [] });
    await agent.stop();
  });

  it('changes no disk of a machine that was given to another host while storage kept it waiting', async () => {
    const { lab, agent } = await labWithBackup({}, { poolLatencyMs: 5_000 });
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    const lock = () => lab.record(webId(lab))?.lock as { changing?: true } | undefined;
    await lab.until('it is about to', () => lock()?.changing === true, 60_000);
    const { epoch = 0, since = '' } = lab.machine('web')?.status?.placement ?? {};
    const status = { placement: { host: 'other', epoch: epoch + 1, since } };
    const ref = { namespace: 'default', name: 'web' };
    await lab.user.mergePatch(VirtualMachine, ref, { status }, { subresource: 'status' });
    await lab.clock.advance(60_000);
    expect(disksOf(lab).restored).toEqual([]);
    await agent.stop();
  });

  it('goes with a machine that is deleted in the middle', async () => {
    const { lab, agent } = await labWithBackup({}, { poolLatencyMs: 5_000 });
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    await lab.until('the first disk is made', () => disksOf(lab).prepared.length === 1);
    await lab.remove(VirtualMachine, 'web');
    await lab.until('it is over', () => isOver(lab));
    expect(reasonOf(lab)).toBe('GuestDeleted');
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    expect(disksOf(lab).prepared).toEqual([]);
    await agent.stop();
  });
});

describe('what is asked of a restore', () => {
  const facts = {
    spec: { guest: WEB, backup: 'first' },
    host: 'h1',
    backup: { phase: 'Succeeded', host: 'h1', pool: 'local', isOfGuest: true },
    pool: 'Open',
    parts: ['data', 'root'],
    other: undefined,
    volumes: ['data', 'root'].map((name) => ({ name, snapshots: false })),
  } as const;
  const elsewhere = (holder: Holder) => ({
    parts: undefined,
    backup: { ...facts.backup, host: 'h2' },
    other: { holder, parts: ['data', 'root'] },
  });
  const asked = (more: Partial<Parameters<typeof judgeArchive>[0]>) => {
    const judged = judgeArchive({ ...facts, ...more });
    return 'disks' in judged ? judged.disks : `${judged.reason}${judged.final ? '' : ' (waits)'}`;
  };

  it.each([
    ['all that both have', {}, ['data', 'root']],
    ['one of them', { spec: { ...facts.spec, disks: ['root'] } }, ['root']],
    ['a backup of another guest', { backup: { ...facts.backup, isOfGuest: false } }, 'BackupOfOther'],
    ['one that failed', { backup: { ...facts.backup, phase: 'Failed' } }, 'BackupNotReady'],
    ['one that is being made', { backup: { ...facts.backup, phase: 'Running' } }, 'BackupNotReady (waits)'],
    ['one that has gone', { parts: undefined }, 'ArchiveMissing'],
    ['one on another host', elsewhere('There'), ['data', 'root']],
    ['one disk of it', { ...elsewhere('There'), spec: { ...facts.spec, disks: ['root'] } }, ['root']],
    ['one on a host that is lost', elsewhere('Lost'), 'HostLost (waits)'],
    ['one on a host that has lost its pool', elsewhere('PoolAway'), 'StoragePoolNotReady (waits)'],
    ['one on a host whose agent is of an earlier version', elsewhere('Silent'), 'PeerUnreachable (waits)'],
    [
      'one on another host in a pool that this host does not have',
      { ...elsewhere('There'), pool: 'Elsewhere' },
      ['data', 'root'],
    ],
    [
      'one on another host in a pool of others',
      { ...elsewhere('There'), pool: 'NotAllowed' },
      'NamespaceNotAllowed',
    ],
    ['one in a pool that this host does not have', { pool: 'Elsewhere' }, 'StoragePoolElsewhere'],
    ['one in a pool of others', { pool: 'NotAllowed' }, 'NamespaceNotAllowed'],
    ['a disk too many in the guest', { parts: ['data'] }, 'DisksDiffer'],
    [
      'disks with snapshots inside',
      { volumes: facts.volumes.map(({ name }) => ({ name, snapshots: name === 'root' })) },
      'SnapshotsInTheWay',
    ],
    [
      'the disk without snapshots',
      {
        spec: { ...facts.spec, disks: ['data'] },
        volumes: facts.volumes.map(({ name }) => ({ name, snapshots: name === 'root' })),
      },
      ['data'],
    ],
  ] as const)('%s', (_what, more, answer) => {
    expect(asked(more as Partial<typeof facts>)).toEqual(answer);
  });
});

describe('an agent that dies at any moment of a restore', () => {
  const story = (more: Partial<RestoreSpec>, spec: object = {}) =>
    crashEverywhere({
      prepare: async (lab) => {
        const agent = await withBackup(lab, spec);
        await agent.stop();
        lab.createRestore('back', 'first', WEB, more);
      },
      isOver: (lab) => isOver(lab),
      check: (lab) => {
        expect(`${statusOf(lab)?.phase} ${statusOf(lab)?.message}`).toMatch(/^Succeeded/);
        expect(disksOf(lab)).toEqual({ restored: ['data', 'root'], prepared: [] });
        expect(lab.record(webId(lab))).not.toHaveProperty('lock');
        expect(lab.machine('web')?.status?.lock).toBeUndefined();
        expect(life(lab)).toMatchObject({ state: 'Running' });
        expect(isReady(lab)).toBe(true);
        expect(lab.starts(webId(lab))).toBe(2);
      },
    });

  it('leaves a machine that has all of its disks back, and was never started with some of them', async () => {
    expect(await story({ ifRunning: 'Stop' })).toBeGreaterThan(10);
  }, 120_000);
});
