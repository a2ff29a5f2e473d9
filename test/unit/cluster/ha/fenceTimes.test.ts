/** When devices are told, and told again: `spec.fencing.delay` of a Host, `spec.retries` of a FenceDevice. */
import { describe, expect, it } from 'vitest';
import { FenceDevice } from '../../../../src/api/kinds/fenceDevice.ts';
import { createHaLab, type HaLab } from './haLab.ts';

async function cluster(...devices: readonly string[]): Promise<HaLab> {
  const lab = await createHaLab();
  for (const name of devices) lab.addDevice(name, { name: 'a', plug: name });
  await lab.lead();
  await lab.switchOn();
  await lab.addGuest('db', 'a');
  return lab;
}

const elsewhere = (lab: HaLab) => () => lab.whereRuns('db').some((name) => name !== 'a');

describe('a host with a delay', () => {
  it('is told to its devices so long after it is suspect', async () => {
    const lab = await cluster('a');
    await lab.editHost('a', { fencing: { delay: '4s' } });
    lab.cutOff('a');
    const suspectMs = await lab.until('it is suspect', () => lab.ha('a')?.state === 'Fencing');
    const toldMs = await lab.until('its device is told', () => lab.switched.includes('a Off'));
    expect(suspectMs).toBeLessThanOrEqual(6_000);
    expect(toldMs).toBeGreaterThanOrEqual(3_000);
    expect(toldMs).toBeLessThanOrEqual(5_500);
    await lab.until('it runs elsewhere', elsewhere(lab));
    expect(lab.ha('a')?.proof?.kind).toBe('PowerOff');
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('that is heard again in that time is not cut off', async () => {
    const lab = await cluster('a');
    await lab.editHost('a', { fencing: { delay: '6s' } });
    lab.cutOff('a');
    await lab.until('it is suspect', () => lab.ha('a')?.state === 'Fencing');
    await lab.advance(2_000);
    lab.mend('a');
    await lab.until('it is online', () => lab.ha('a')?.state === 'Online');
    expect(lab.switched).toEqual([]);
    expect(lab.actions()).toEqual([]);
    expect(lab.whereRuns('db')).toEqual(['a']);
    await lab.resign();
  });

  it('is proven dead by its silence no later than without', async () => {
    const lab = await cluster('a');
    lab.addSwitch('a');
    await lab.editHost('a', { fencing: { delay: '10m' } });
    lab.cutOff('a');
    expect(await lab.until('it runs elsewhere', elsewhere(lab))).toBeLessThanOrEqual(20_000);
    expect(lab.ha('a')?.proof?.kind).toBe('SelfFence');
    expect(lab.switched).toEqual([]);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });
});

describe('a device with retries', () => {
  const retrying = async (retries: number, ...devices: readonly string[]) => {
    const lab = await cluster(...devices);
    await lab.api.mergePatch(FenceDevice, { name: 'a' }, { spec: { retries, timeoutSeconds: 20 } });
    lab.faults.set('a', { unreachable: true });
    await lab.advance(1_000);
    lab.powerOff('a');
    await lab.until('it is told', () => lab.actions()[0]?.status?.startedAt !== undefined);
    return lab;
  };

  it('is told again in the same action', async () => {
    const lab = await retrying(5, 'a');
    await lab.advance(1_000);
    lab.faults.delete('a');
    await lab.until('it runs elsewhere', elsewhere(lab));
    expect(lab.actions().map(({ status }) => status?.phase)).toEqual(['PoweredOff']);
    await lab.resign();
  });

  it('that refuses each time has failed, and the next level follows in time', async () => {
    const lab = await retrying(5, 'a', 'a-second');
    expect(await lab.until('it runs elsewhere', elsewhere(lab))).toBeLessThan(10_000);
    expect(lab.actions().map(({ spec, status }) => [spec.devices?.[0], status?.phase])).toEqual([
      ['a', 'Failed'],
      ['a-second', 'PoweredOff'],
    ]);
    await lab.resign();
  });

  it('and does not answer at all takes no more of the time than one try may', async () => {
    const lab = await retrying(5, 'a', 'a-second');
    lab.faults.set('a', { takesMs: 3_000, unreachable: true });
    expect(await lab.until('the next is told', () => lab.actions().length === 2)).toBeLessThan(6_500);
    await lab.until('it runs elsewhere', elsewhere(lab));
    expect(lab.ha('a')?.proof?.kind).toBe('PowerOff');
    await lab.resign();
  });
});
