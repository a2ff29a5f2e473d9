/** Two machines that were given one name: the boot of the second is no proof that the first has ended. */
import { describe, expect, it } from 'vitest';
import { FenceAction } from '../../../../src/api/kinds/fenceAction.ts';
import { createHaLab } from './haLab.ts';

async function cluster() {
  const lab = await createHaLab();
  await lab.lead();
  await lab.switchOn();
  await lab.addGuest('db', 'a');
  return lab;
}

describe('another machine that renews the Lease of a host', () => {
  it('proves nothing: the guest is not started anew while the first machine may run it', async () => {
    const lab = await cluster();
    lab.intrude('a', 'replacement');
    await lab.until('it is seen', () => lab.ha('a')?.reason === 'DuplicateHost');
    await lab.advance(120_000);
    expect(lab.twice).toEqual([]);
    expect(lab.ha('a')).toMatchObject({
      state: 'Fencing',
      reason: 'DuplicateHost',
      life: { bootID: 'a1boot-0000' },
    });
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 1, bootID: 'a1boot-0000' });
    await lab.resign();
  });

  it('is the host from then on when a person says that the first is off', async () => {
    const lab = await cluster();
    lab.intrude('a', 'replacement');
    await lab.until('it waits for a word', () => lab.ha('a')?.incident !== undefined);
    lab.powerOff('a');
    const { id = '', bootID = '', term = 0 } = lab.ha('a')?.incident ?? {};
    await lab.api.create(FenceAction, {
      ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'FenceAction', metadata: { name: `${id}-manual` } },
      spec: { ...{ host: 'a', incident: id, bootID, term }, method: 'Manual', confirmedBy: 'alice' },
    });
    await lab.until('its guest runs', () => lab.whereRuns('db').length === 1);
    await lab.until('it is a host again', () => lab.ha('a')?.machineID === 'replacement');
    expect(lab.ha('a')).toMatchObject({ state: 'Online', life: { bootID: 'a9boot-0000' } });
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('takes the place of one that nobody misses without a word', async () => {
    const lab = await cluster();
    lab.powerOff('b');
    lab.intrude('b', 'replacement');
    await lab.until('it is a host', () => lab.ha('b')?.machineID === 'replacement');
    expect(lab.ha('b')).toMatchObject({ state: 'Online' });
    await lab.resign();
  });
});

describe('a machine that boots again', () => {
  it('is known by its machine-id, and that proves the end of its former boot', async () => {
    const lab = await cluster();
    lab.machine('a').watchdog = false;
    await lab.advance(1_000);
    lab.powerOff('a');
    await lab.until('it is lost', () => lab.ha('a')?.incident !== undefined);
    lab.powerOn('a');
    await lab.until('its guest runs', () => lab.whereRuns('db').length === 1);
    expect(lab.guest('db').status?.placement?.epoch).toBe(2);
    expect(lab.ha('a')).toMatchObject({ machineID: 'machine-a' });
    await lab.resign();
  });
});
