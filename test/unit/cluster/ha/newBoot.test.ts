/** A host that restarts faster than anybody suspects it leaves no proof of its old life: its guests must not wait for one for ever. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../../../src/api/kinds/host.ts';
import { createHaLab, type HaLab } from './haLab.ts';

/** Three hosts without devices, a guest on `a`, which restarts within the time in which it may be silent. */
async function restarted({ memory }: { memory: string }): Promise<HaLab> {
  const lab = await createHaLab();
  await lab.lead();
  await lab.switchOn();
  await lab.addGuest('db', 'a');
  lab.powerOff('a');
  const host = lab.host('a');
  if (host === undefined) throw new Error('there is no host a');
  const allocatable = { cpu: 8, ...host.status?.allocatable, memory };
  lab.api.seed(Host, { ...host, status: { ...host.status, allocatable } });
  await lab.advance(1_000);
  lab.powerOn('a');
  return lab;
}

describe('a guest whose host has restarted unnoticed', () => {
  it('is started there again, under a new epoch', async () => {
    const lab = await restarted({ memory: '8Gi' });
    await lab.until('it runs', () => lab.whereRuns('db').length > 0);
    expect([lab.whereRuns('db'), lab.guest('db').status?.placement?.epoch]).toEqual([['a'], 2]);
    await lab.resign();
  });

  it('is started elsewhere when that host has no room any more: it remembers the guest, and says that it does not run', async () => {
    const lab = await restarted({ memory: '1Mi' });
    await lab.until('it runs', () => lab.whereRuns('db').length > 0);
    expect([lab.whereRuns('db'), lab.guest('db').status?.placement?.epoch]).toEqual([['b'], 2]);
    expect(lab.ha('a')).toMatchObject({ state: 'Online', life: { bootID: 'a2boot-0000' } });
    expect(lab.ha('a')?.proof).toBeUndefined();
    await lab.advance(30_000);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });
});
