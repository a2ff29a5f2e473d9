import { describe, expect, it } from 'vitest';
import { keeperLeaseName, SYSTEM_NAMESPACE } from '../../../../src/api/cluster.ts';
import { Lease } from '../../../../src/api/core.ts';
import type { ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import { FenceAction } from '../../../../src/api/kinds/fenceAction.ts';
import { FenceDevice } from '../../../../src/api/kinds/fenceDevice.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { findCondition } from '../../../../src/runtime/conditions.ts';
import { createHaLab, type HaLab } from './haLab.ts';

/** Three hosts that are watched, a guest on `a`, and a device for each host's power. */
async function cluster({
  devices = true,
  policy = {},
}: {
  devices?: boolean;
  policy?: ClusterPolicySpec;
} = {}): Promise<HaLab> {
  const lab = await createHaLab();
  if (devices) for (const name of ['a', 'b', 'c']) lab.addDevice(`bmc-${name}`, { name, plug: name });
  await lab.lead();
  await lab.switchOn(policy);
  await lab.addGuest('db', 'a');
  expect(lab.whereRuns('db')).toEqual(['a']);
  return lab;
}

const elsewhere = (lab: HaLab) => () => lab.whereRuns('db').some((name) => name !== 'a');

describe('a host whose power fails', () => {
  it('is suspected, cut off by its device, proven dead, and its guest runs elsewhere, once', async () => {
    const lab = await cluster();
    lab.powerOff('a');
    const tookMs = await lab.until('it runs elsewhere', elsewhere(lab));
    expect(tookMs).toBeLessThanOrEqual(13_000);
    expect(lab.ha('a')).toMatchObject({
      state: 'Fenced',
      proof: { kind: 'PowerOff', bootID: 'a1boot-0000' },
    });
    expect(lab.guest('db').status).toMatchObject({ placement: { epoch: 2 }, ha: { epoch: 2 } });
    expect(lab.actions().map(({ status }) => status?.phase)).toEqual(['PoweredOff']);
    await lab.advance(60_000);
    expect(lab.guest('db').status?.placement?.epoch).toBe(2);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('is cut off also where its name is as long as may be, by actions that an API server takes', async () => {
    const long = `${'a'.repeat(59)}.lan`;
    const lab = await createHaLab([long, 'b', 'c']);
    lab.addDevice('bmc', { name: long, plug: long });
    lab.faults.set(long, { unreachable: true });
    await lab.lead();
    await lab.switchOn();
    await lab.addGuest('db', long);
    lab.cutOff(long);
    await lab.until('its device is asked again', () => lab.actions().length > 1);
    lab.faults.clear();
    await lab.until('it runs elsewhere', () => lab.whereRuns('db').some((name) => name !== long));
    expect(lab.ha(long)?.proof?.kind).toMatch(/PowerOff|SelfFence/);
    for (const { metadata } of lab.actions()) expect(metadata.name).toMatch(/^a{40,}-[0-9a-f]{12}-[0-9]$/);
    expect(Math.max(...lab.actions().map(({ metadata }) => metadata.name.length))).toBeLessThanOrEqual(63);
    await lab.resign();
  });

  it('is switched on again after the proof, and is a host like others in its new life', async () => {
    const lab = await cluster();
    lab.powerOff('a');
    await lab.until('it runs elsewhere', elsewhere(lab));
    await lab.until('it is on again', () => lab.machine('a').isOn);
    await lab.until('it is online', () => lab.ha('a')?.state === 'Online');
    expect(lab.switched).toEqual(['a Off', 'a On']);
    await lab.advance(30_000);
    expect(lab.whereRuns('db')).not.toContain('a');
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('without a device is waited for until it has certainly killed its guests', async () => {
    const lab = await cluster({ devices: false });
    lab.cutOff('a');
    const tookMs = await lab.until('it runs elsewhere', elsewhere(lab));
    expect(tookMs).toBeGreaterThanOrEqual(16_000);
    expect(tookMs).toBeLessThanOrEqual(25_000);
    expect(lab.ha('a')?.proof).toMatchObject({ kind: 'SelfFence', covers: ['uid-db@1'] });
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it.each(['the leader that saw it', 'a leader that never did'])(
    'is lost all the same when somebody deletes its Lease, to %s',
    async (leader) => {
      const lab = await cluster();
      lab.powerOff('a');
      await lab.api.delete(Lease, { namespace: SYSTEM_NAMESPACE, name: keeperLeaseName('a') });
      if (leader !== 'the leader that saw it') {
        await lab.resign();
        await lab.lead();
      }
      await lab.until('it runs elsewhere', elsewhere(lab));
      expect(lab.ha('a')?.proof?.kind).toBe('PowerOff');
      expect(lab.actions()).toMatchObject([{ spec: { leaseVersion: '0' }, status: { phase: 'PoweredOff' } }]);
      expect(lab.twice).toEqual([]);
      await lab.resign();
    },
  );

  it('without a device and without a watchdog is never taken for dead', async () => {
    const lab = await cluster({ devices: false });
    lab.machine('a').watchdog = false;
    await lab.advance(2_000);
    lab.cutOff('a');
    await lab.advance(600_000);
    expect(lab.ha('a')).toMatchObject({ state: 'Fencing' });
    expect(lab.ha('a')?.proof).toBeUndefined();
    expect(lab.guest('db').status).toMatchObject({
      placement: { host: 'a', epoch: 1 },
      ha: { state: 'Fencing', reason: 'WaitingForProof' },
    });
    await lab.resign();
  });
});

describe('a host that is itself a virtual machine', () => {
  it('has proven nothing by its silence: it may have been paused', async () => {
    const lab = await cluster({ devices: false });
    lab.machine('a').pausable = true;
    await lab.advance(2_000);
    lab.cutOff('a');
    await lab.advance(120_000);
    expect(lab.ha('a')?.proof).toBeUndefined();
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 1 });
    await lab.resign();
  });

  it('is believed in a laboratory that says so', async () => {
    const lab = await cluster({ devices: false, policy: { selfFenceOfPausableHosts: 'GuestsMayRunTwice' } });
    lab.machine('a').pausable = true;
    await lab.advance(2_000);
    lab.cutOff('a');
    expect(await lab.until('it runs elsewhere', elsewhere(lab))).toBeLessThanOrEqual(25_000);
    expect(lab.ha('a')?.proof).toMatchObject({ kind: 'SelfFence' });
    await lab.resign();
  });
});

describe('a device that does not work', () => {
  it('is followed by the next level', async () => {
    const lab = await cluster({ devices: false });
    lab.addDevice('first', { name: 'a', plug: 'a' });
    lab.addDevice('second', { name: 'a', plug: 'a-second' });
    lab.faults.set('a', { unreachable: true });
    await lab.advance(1_000);
    lab.powerOff('a');
    await lab.until('it runs elsewhere', elsewhere(lab));
    expect(lab.actions().map(({ spec, status }) => [spec.devices?.[0], status?.phase])).toEqual([
      ['first', 'Failed'],
      ['second', 'PoweredOff'],
    ]);
    expect(lab.ha('a')?.proof?.kind).toBe('PowerOff');
    await lab.resign();
  });

  it('and does not answer either, as when the power cut took it along, is given up in time for the next level to be first', async () => {
    const lab = await cluster({ devices: false });
    lab.addDevice('first', { name: 'a', plug: 'a' });
    lab.addDevice('second', { name: 'a', plug: 'a-second' });
    lab.faults.set('a', { takesMs: 60_000 });
    await lab.advance(1_000);
    lab.powerOff('a');
    expect(await lab.until('it runs elsewhere', elsewhere(lab))).toBeLessThan(13_000);
    expect(lab.ha('a')?.proof?.kind).toBe('PowerOff');
    await lab.resign();
  });

  it('is asked again for as long as it takes, and only the newest tries are kept', async () => {
    const lab = await cluster();
    lab.machine('a').watchdog = false;
    lab.faults.set('a', { unreachable: true });
    await lab.advance(2_000);
    lab.powerOff('a');
    await lab.advance(600_000);
    const numbers = lab.actions().map(({ metadata }) => Number(metadata.name.split('-').at(-1)));
    expect(numbers.length).toBeLessThanOrEqual(11);
    expect(Math.max(...numbers)).toBeGreaterThan(20);
    lab.faults.delete('a');
    await lab.until('it runs elsewhere', elsewhere(lab));
    expect(lab.ha('a')?.proof?.kind).toBe('PowerOff');
    await lab.until('it is on again', () => lab.machine('a').isOn);
    await lab.resign();
  });

  it('proves nothing, and a guest whose host has no watchdog stays where it is', async () => {
    const lab = await cluster();
    lab.machine('a').watchdog = false;
    lab.faults.set('a', { unreachable: true });
    await lab.advance(2_000);
    lab.powerOff('a');
    await lab.advance(120_000);
    expect(lab.actions().length).toBeGreaterThan(1);
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 1 });
    await lab.resign();
  });

  it('and lies is believed only when the host has killed its guests by itself', async () => {
    const lab = await cluster();
    lab.faults.set('a', { lies: true });
    lab.cutOff('a');
    const tookMs = await lab.until('the proof', () => lab.ha('a')?.proof !== undefined);
    expect(tookMs).toBeGreaterThanOrEqual(7_000);
    await lab.resign();
  });
});

describe('a device that calls a host off which goes on renewing', () => {
  const trusted = (lab: HaLab, device: string) =>
    findCondition(
      (lab.api.state.get(FenceDevice, device) as Stored<FenceDevice> | undefined)?.status?.conditions,
      'Trusted',
    );
  const fencing = (lab: HaLab) => findCondition(lab.host('a')?.status?.conditions, 'FencingReady');
  /** A blip of the network in which the device was asked. */
  async function lied() {
    const lab = await cluster({ devices: false });
    lab.addDevice('liar', { name: 'a', plug: 'a' });
    lab.faults.set('a', { lies: true });
    await lab.advance(2_000);
    lab.cutOff('a');
    await lab.until('it is called off', () => lab.actions()[0]?.status?.phase === 'PoweredOff');
    lab.mend('a');
    await lab.until('it is online', () => lab.ha('a')?.state === 'Online');
    await lab.until('it is not trusted', () => trusted(lab, 'liar') !== undefined, 20_000);
    return lab;
  }

  it('is not trusted any more, and says which FenceAction shows it', async () => {
    const lab = await lied();
    const [action] = lab.actions();
    expect(trusted(lab, 'liar')).toMatchObject({ status: 'False', reason: 'CalledOffWhatRan' });
    expect(trusted(lab, 'liar')?.message).toContain(`kubectl delete fenceaction ${action?.metadata.name}`);
    expect(fencing(lab)?.message).toContain('FenceDevice liar has called a host off that was not');
    expect([lab.whereRuns('db'), lab.twice]).toEqual([['a'], []]);
    await lab.resign();
  });

  it('is not asked when the host is lost: another device is, else its guests are waited for', async () => {
    const lab = await lied();
    lab.cutOff('a');
    await lab.until('the proof', () => lab.ha('a')?.proof !== undefined, 60_000);
    expect([lab.ha('a')?.proof?.kind, lab.actions().length]).toEqual(['SelfFence', 1]);
    expect(lab.twice).toEqual([]);
    await lab.resign();
    const other = await lied();
    other.addDevice('second', { name: 'a', plug: 'a-second' });
    await other.advance(1_000);
    other.powerOff('a');
    await other.until('it runs elsewhere', elsewhere(other));
    expect(other.actions().map(({ spec }) => spec.devices?.[0])).toEqual(['liar', 'second']);
    await other.resign();
  });

  it('is trusted again once a person has deleted that action', async () => {
    const lab = await lied();
    await lab.api.delete(FenceAction, { name: lab.actions()[0]?.metadata.name ?? '' });
    await lab.until('it is', () => trusted(lab, 'liar') === undefined, 20_000);
    await lab.resign();
  });

  it('is trusted after a host was off indeed', async () => {
    const lab = await cluster();
    lab.powerOff('a');
    await lab.until('it runs elsewhere', elsewhere(lab));
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online', 60_000);
    await lab.advance(30_000);
    expect(lab.actions().map(({ status }) => [status?.phase, status?.contradictedAt])).toEqual([
      ['PoweredOff', undefined],
    ]);
    await lab.resign();
  });
});

describe('a host that comes back', () => {
  it('before it is suspected keeps its guest and its life', async () => {
    const lab = await cluster();
    lab.cutOff('a');
    await lab.advance(3_000);
    lab.mend('a');
    await lab.advance(30_000);
    expect(lab.actions()).toEqual([]);
    expect(lab.whereRuns('db')).toEqual(['a']);
    expect(lab.guest('db').status?.placement?.epoch).toBe(1);
    await lab.resign();
  });

  it('before it is cut off is not cut off: the Lease is read again just before', async () => {
    const lab = await cluster();
    lab.faults.set('a', { takesMs: 30_000 });
    lab.cutOff('a');
    await lab.until('it is suspected', () => lab.ha('a')?.state === 'Fencing');
    lab.mend('a');
    await lab.until('it is online', () => lab.ha('a')?.state === 'Online');
    await lab.advance(60_000);
    expect(lab.switched).toEqual([]);
    expect(lab.whereRuns('db')).toEqual(['a']);
    await lab.resign();
  });
});

describe('nobody is judged', () => {
  it('without a ClusterPolicy: no Lease is listed, nothing is stored', async () => {
    const lab = await createHaLab();
    await lab.lead();
    await lab.addGuest('db', 'a');
    lab.powerOff('a');
    await lab.advance(120_000);
    expect(lab.ha('a')).toBeUndefined();
    expect(lab.guest('db').status?.ha).toBeUndefined();
    expect(lab.guest('db').status?.placement?.host).toBe('a');
    await lab.resign();
  });

  it('while fewer than half of the hosts are heard', async () => {
    const lab = await cluster();
    lab.cutOff('b');
    lab.cutOff('c');
    await lab.advance(3_000);
    lab.powerOff('a');
    await lab.advance(120_000);
    expect(lab.switched).toEqual([]);
    expect(lab.guest('db').status?.placement?.host).toBe('a');
    expect(lab.policy()?.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'NoQuorum',
    });
    await lab.resign();
  });

  it('when nothing of it needs a proof: a host without protected guests is left alone', async () => {
    const lab = await cluster();
    lab.powerOff('b');
    await lab.advance(60_000);
    expect(lab.ha('b')?.state).toBe('Suspect');
    expect(lab.switched).toEqual([]);
    await lab.resign();
  });

  it('while high availability is paused', async () => {
    const lab = await createHaLab();
    lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
    await lab.lead();
    await lab.switchOn({ haPaused: 'Freeze' });
    await lab.addGuest('db', 'a');
    lab.powerOff('a');
    await lab.advance(60_000);
    expect(lab.switched).toEqual([]);
    expect(lab.guest('db').status?.placement?.host).toBe('a');
    expect(lab.guest('db').status?.ha).toMatchObject({ state: 'Started', reason: 'Paused' });
    await lab.resign();
  });

  it('more than a minority at one time', async () => {
    const lab = await createHaLab(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    for (const name of ['a', 'b', 'c']) lab.addDevice(`bmc-${name}`, { name, plug: name });
    await lab.lead();
    await lab.switchOn({ maxConcurrentFences: 1 });
    await lab.addGuest('db', 'a');
    await lab.addGuest('web', 'b');
    lab.faults.set('a', { unreachable: true });
    lab.machine('a').watchdog = false;
    await lab.advance(2_000);
    lab.powerOff('a');
    lab.powerOff('b');
    await lab.advance(60_000);
    expect([lab.ha('a')?.state, lab.ha('b')?.state]).toEqual(['Fencing', 'Suspect']);
    await lab.resign();
  });
});
