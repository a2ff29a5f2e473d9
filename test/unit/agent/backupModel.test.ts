/** Random sequences of backup, damage, verify, restore and delete on a simulated host, beside a model of what must be left of each. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backup } from '../../../src/api/kinds/backup.ts';
import { createLab, type Lab } from './lab.ts';

const WEB = { kind: 'VirtualMachine', name: 'web' } as const;

type Act = { act: 'BackUp' | 'Stop' | 'Damage' | 'Verify' | 'Restore' | 'Delete'; which: number };
type Told = {
  lab: Lab;
  /** By the name of each Backup: whether its archive is as it was written. */
  model: Map<string, boolean>;
  starts: number;
  count: number;
};

const acts = fc.array(
  fc.record({
    act: fc.constantFrom('BackUp', 'Stop', 'Damage', 'Verify', 'Restore', 'Delete'),
    which: fc.nat(5),
  }),
  { minLength: 3, maxLength: 9 },
) as fc.Arbitrary<Act[]>;

const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
const archivesIn = (lab: Lab) =>
  [...lab.disk.keys()].filter((path) => path.includes('/archives/') && path.endsWith('/manifest.json'));
const isReady = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True';

async function tell(told: Told, { act, which }: Act): Promise<void> {
  const { lab, model } = told;
  told.count += 1;
  if (act === 'BackUp' || act === 'Stop') {
    const name = `b${told.count}`;
    lab.createBackup(name, WEB, { mode: act === 'Stop' ? 'Stop' : 'Snapshot' });
    await lab.until(`${name} is over`, () => lab.backup(name)?.status?.completedAt !== undefined);
    expect(lab.backup(name)?.status?.phase).toBe('Succeeded');
    model.set(name, true);
    if (act === 'Stop') told.starts += 1;
    return;
  }
  const name = [...model.keys()][which % Math.max(1, model.size)];
  if (name === undefined) return;
  await onOne(told, act, name);
}

async function onOne(told: Told, act: Act['act'], name: string): Promise<void> {
  const { lab, model, count } = told;
  const isWhole = model.get(name) === true;
  const archive = String(lab.backup(name)?.status?.archive);
  if (act === 'Damage') {
    lab.disk.set(archivesIn(lab).find((path) => path.includes(archive)) ?? '', '{}');
    model.set(name, false);
  } else if (act === 'Verify') {
    lab.createVerify(`v${count}`, name);
    await lab.until('it is verified', () => lab.verify(`v${count}`)?.status?.completedAt !== undefined);
    expect(lab.verify(`v${count}`)?.status?.phase).toBe(isWhole ? 'Succeeded' : 'Failed');
  } else if (act === 'Restore') {
    lab.createRestore(`r${count}`, name, WEB, { ifRunning: 'Stop' });
    await lab.until('it is over', () => lab.restore(`r${count}`)?.status?.completedAt !== undefined);
    expect(lab.restore(`r${count}`)?.status?.phase).toBe(isWhole ? 'Succeeded' : 'Failed');
    if (isWhole) told.starts += 1;
  } else {
    await lab.remove(Backup, name);
    await lab.until(`${name} is gone`, () => lab.backup(name) === undefined);
    model.delete(name);
  }
}

/** Whatever was told: the machine runs, nothing is locked or half-made, and there is one archive for each Backup. */
async function check({ lab, model, starts }: Told): Promise<void> {
  await lab.until('it runs', () => isReady(lab) && lab.machine('web')?.status?.lock === undefined);
  expect(lab.record(webId(lab))).not.toHaveProperty('lock');
  expect(lab.starts(webId(lab))).toBe(starts);
  expect(archivesIn(lab)).toHaveLength(model.size);
  const pool = JSON.parse(lab.disk.get('/state/pools/local/pool.json') ?? '{}') as { prepared?: object };
  expect(Object.keys(pool.prepared ?? {})).toEqual([]);
}

describe('backups', () => {
  it('are what a model says, whatever is done with them in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(acts, async (sequence) => {
        const lab = createLab();
        lab.createPool('local');
        lab.createMachine('web', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }] });
        const agent = await lab.start();
        await lab.until('web is Ready', () => isReady(lab));
        const told: Told = { lab, model: new Map(), starts: 1, count: 0 };
        for (const act of sequence) {
          await tell(told, act);
          await check(told);
        }
        await agent.stop();
      }),
      { numRuns: 50 },
    );
  }, 120_000);
});
