/** Where the volumes of a guest lie that comes from a host that was lost: a move may have put them into another pool than its spec names. */
import { describe, expect, it } from 'vitest';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { createLab, type Lab } from './lab.ts';

const poolOf = (lab: Lab, pool: string) =>
  JSON.parse(lab.disk.get(`/state/pools/${pool}/pool.json`) ?? '{}') as {
    volumes?: { id: string; usedBytes: number }[];
  };
const usedIn = (lab: Lab, pool: string) =>
  (poolOf(lab, pool).volumes ?? []).map(({ usedBytes }) => usedBytes);
const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
const runs = (lab: Lab) => lab.machine('web')?.status?.phase === 'Running';

/** Its disk lies in bulk, whatever its spec says, with 777 bytes of its own. */
async function movedToBulk() {
  const lab = createLab();
  for (const name of ['nas', 'bulk']) lab.createPool(name, { shared: true });
  lab.createMachine('web', { disks: [{ name: 'data', pool: 'bulk', size: '1Gi' }] });
  const agent = await lab.start();
  await lab.until('it runs', () => runs(lab));
  await lab.edit(VirtualMachine, 'web', { disks: [{ name: 'data', pool: 'nas', size: '1Gi' }] });
  const pool = poolOf(lab, 'bulk');
  const volumes = pool.volumes?.map((volume) => ({ ...volume, usedBytes: 777 }));
  lab.disk.set('/state/pools/bulk/pool.json', JSON.stringify({ ...pool, volumes }));
  return { lab, agent };
}

/** Its host is lost: what this one remembers of it, and what ran here, is not. */
async function lose(lab: Lab) {
  for (const path of [...lab.disk.keys()]) if (path.includes(webId(lab))) lab.disk.delete(path);
  lab.disk.delete('/host/machines.json');
  await lab.patchStatus(VirtualMachine, 'web', lab.placed(2, 'h1'));
}

describe('a guest that is recovered here, with a disk that a move has put into another pool', () => {
  it('has that disk, and gets no blank one in the pool that its spec names', async () => {
    const { lab, agent } = await movedToBulk();
    await agent.stop();
    await lose(lab);
    const here = await lab.start();
    await lab.until('it runs here', () => runs(lab) && lab.record(webId(lab)) !== undefined);
    await lab.clock.advance(5_000);
    expect(usedIn(lab, 'nas')).toEqual([]);
    expect(usedIn(lab, 'bulk')).toEqual([777]);
    expect(lab.machine('web')?.status?.volumes).toMatchObject([{ name: 'data', pool: 'bulk' }]);
    expect(lab.record(webId(lab))?.volumes).toMatchObject([{ name: 'data', pool: 'bulk' }]);
    await here.stop();
  });

  it('has it also where it was before the move: what is remembered of that is older', async () => {
    const lab = createLab();
    for (const name of ['nas', 'bulk']) lab.createPool(name, { shared: true });
    lab.createMachine('web', { disks: [{ name: 'data', pool: 'nas', size: '1Gi' }] });
    const agent = await lab.start();
    await lab.until('it runs', () => runs(lab));
    await lab.patchStatus(VirtualMachine, 'web', lab.placed(2, 'other'));
    await lab.until('it was let go', () => lab.record(webId(lab))?.released === true);
    // There it was moved on, with its disk.
    const pool = poolOf(lab, 'nas');
    lab.disk.set('/state/pools/bulk/pool.json', JSON.stringify({ ...pool, name: 'bulk' }));
    lab.disk.set('/state/pools/nas/pool.json', JSON.stringify({ ...pool, volumes: [] }));
    const [volume] = lab.machine('web')?.status?.volumes ?? [];
    await lab.patchStatus(VirtualMachine, 'web', {
      volumes: [{ ...volume, pool: 'bulk' }],
      ...lab.placed(4, 'h1'),
    });
    await lab.until('it runs here', () => runs(lab) && lab.record(webId(lab))?.released === undefined);
    await lab.clock.advance(5_000);
    expect(usedIn(lab, 'nas')).toEqual([]);
    expect(lab.record(webId(lab))?.volumes).toMatchObject([{ name: 'data', pool: 'bulk' }]);
    await agent.stop();
  });
});
