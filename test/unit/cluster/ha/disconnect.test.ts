import { describe, expect, it } from 'vitest';
import type { ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import { createHaLab, type HaLab } from './haLab.ts';

/** Three hosts plugged into a switch that is told, a guest on the first. */
async function plugged(policy: ClusterPolicySpec = {}) {
  const lab = await createHaLab();
  await lab.lead();
  await lab.switchOn(policy);
  lab.addSwitch('a', 'b', 'c');
  await lab.addGuest('db', 'a');
  return lab;
}

const cuts = (lab: HaLab) => lab.actions().filter(({ spec }) => spec.method === 'Disconnect');

describe('a host that is being fenced and has a switch port', () => {
  it('is disconnected, so that it does not come back before it has fenced itself, and connected again after the proof', async () => {
    const lab = await plugged();
    lab.cutOff('a');
    await lab.until('its port is down', () => lab.switched.includes('port of a down'));
    expect(lab.ha('a')?.state).toBe('Fencing');
    // Its own cable is well again: it would renew in the old life, and go on with its guest.
    lab.mend('a');
    await lab.until('db runs elsewhere', () => lab.whereRuns('db').some((name) => name !== 'a'));
    expect(lab.whereRuns('db')).toHaveLength(1);
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
    expect(lab.switched).toEqual(['port of a down', 'port of a up']);
    expect(cuts(lab)).toMatchObject([
      { spec: { host: 'a', devices: ['switch'] }, status: { phase: 'Disconnected' } },
    ]);
    expect(cuts(lab)[0]?.status?.poweredOnAt).toBeDefined();
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('is dead only by its own fence: what the port says is no proof', async () => {
    const lab = await plugged();
    lab.cutOff('a');
    const begun = lab.clock.monotonic();
    await lab.until('it is fenced', () => lab.ha('a')?.state === 'Fenced');
    expect(lab.ha('a')?.proof?.kind).toBe('SelfFence');
    expect(lab.clock.monotonic() - begun).toBeGreaterThanOrEqual(15_000);
    await lab.resign();
  });

  it('is switched off by a device beside, and gets power and network again', async () => {
    const lab = await plugged();
    lab.addDevice('strip', { name: 'a', plug: 'a' });
    await lab.advance(2_000);
    lab.cutOff('a');
    await lab.until('it is fenced', () => lab.ha('a')?.state === 'Fenced');
    expect(lab.ha('a')?.proof?.kind).toBe('PowerOff');
    lab.mend('a');
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
    expect(lab.switched.toSorted()).toEqual(['a Off', 'a On', 'port of a down', 'port of a up']);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('is connected again after a minute when no majority is left to prove it dead: it may be what they lack', async () => {
    const lab = await plugged();
    lab.cutOff('a');
    await lab.until('its port is down', () => lab.switched.includes('port of a down'));
    lab.powerOff('b');
    lab.mend('a');
    await lab.until('its port is up', () => lab.switched.includes('port of a up'), 70_000);
    expect(lab.ha('a')?.proof).toBeUndefined();
    await lab.until('db runs', () => lab.whereRuns('db').length === 1);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('is connected again by the next leader when the first has died after it', async () => {
    const lab = await plugged();
    lab.cutOff('a');
    await lab.until('its port is down', () => lab.switched.includes('port of a down'));
    lab.dieAfter(0);
    lab.mend('a');
    await lab.advance(3_000);
    await lab.succeed();
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online', 120_000);
    expect(lab.switched.at(-1)).toBe('port of a up');
    await lab.until('db runs', () => lab.whereRuns('db').length === 1);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });
});

describe('the port of a host is left alone', () => {
  it.each([
    ['it has no watchdog', { watchdog: false }],
    ['it may be paused from outside', { pausable: true }],
  ])(
    'when nothing would follow from its silence, as %s: it may come back by itself',
    async (_why, machine) => {
      const lab = await plugged();
      Object.assign(lab.machine('a'), machine);
      await lab.advance(2_000);
      lab.cutOff('a');
      await lab.until('it is waited for', () => lab.ha('a')?.state === 'Fencing');
      await lab.advance(30_000);
      expect(lab.switched).toEqual([]);
      lab.mend('a');
      await lab.until('its next life proves the end of the last', () => lab.whereRuns('db').length === 1);
      await lab.resign();
    },
  );

  it('while another host hears it', async () => {
    const lab = await plugged();
    lab.machine('b').hears = ['a'];
    lab.cutOff('a');
    await lab.until('it is waited for', () => lab.ha('a')?.state === 'Fencing');
    await lab.advance(5_000);
    expect(cuts(lab)).toEqual([]);
    await lab.resign();
  });

  it('when nothing is to be fenced', async () => {
    const lab = await plugged({ haPaused: 'Freeze' });
    lab.cutOff('a');
    await lab.advance(30_000);
    expect(lab.switched).toEqual([]);
    await lab.resign();
  });
});
