import { describe, expect, it } from 'vitest';
import type { RunStrategy } from '../../../src/api/guest.ts';
import { Operation } from '../../../src/api/kinds/operation.ts';
import { createLab, type Lab } from './lab.ts';

const GUEST = { kind: 'VirtualMachine', name: 'web' } as const;
const ready = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready');
const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
const life = (lab: Lab) => lab.lives('machines').find(({ id }) => id === webId(lab))?.state ?? 'Off';
const status = (lab: Lab, name = 'op') => lab.operation(name)?.status;
const reason = (lab: Lab, name = 'op') => lab.conditionOf(lab.operation(name), 'Ready')?.reason;

async function labWith(runStrategy: RunStrategy, more: Parameters<Lab['createMachine']>[1] = {}) {
  const lab = createLab();
  lab.createMachine('web', { runStrategy, ...more });
  const agent = await lab.start();
  await lab.until('web is Ready', () => ready(lab)?.status === 'True');
  return { lab, agent };
}

async function run(lab: Lab, action: Operation['spec']['action'], name = 'op') {
  lab.createOperation(name, action, GUEST);
  await lab.until(`${name} is over`, () => status(lab, name)?.completedAt !== undefined);
  return { phase: status(lab, name)?.phase, reason: reason(lab, name) };
}

describe('operations by run strategy', () => {
  it.each([
    ['Always', 'Start', { phase: 'Succeeded', reason: 'RunStrategyAlways' }, 'Running'],
    ['Always', 'Stop', { phase: 'Failed', reason: 'RunStrategyAlways' }, 'Running'],
    ['Always', 'Shutdown', { phase: 'Failed', reason: 'RunStrategyAlways' }, 'Running'],
    ['Always', 'Restart', { phase: 'Succeeded', reason: 'Running' }, 'Running'],
    ['RerunOnFailure', 'Stop', { phase: 'Succeeded', reason: 'Stopped' }, 'Off'],
    ['RerunOnFailure', 'Shutdown', { phase: 'Succeeded', reason: 'Stopped' }, 'Off'],
    ['RerunOnFailure', 'Start', { phase: 'Succeeded', reason: 'Running' }, 'Running'],
    ['Manual', 'Start', { phase: 'Succeeded', reason: 'Running' }, 'Running'],
    ['Manual', 'Restart', { phase: 'Succeeded', reason: 'Running' }, 'Running'],
    ['Manual', 'Stop', { phase: 'Succeeded', reason: 'Stopped' }, 'Off'],
    ['Halted', 'Start', { phase: 'Failed', reason: 'RunStrategyHalted' }, 'Off'],
    ['Halted', 'Restart', { phase: 'Failed', reason: 'RunStrategyHalted' }, 'Off'],
    ['Halted', 'Shutdown', { phase: 'Succeeded', reason: 'Stopped' }, 'Off'],
  ] as const)('%s: %s', async (strategy, action, end, state) => {
    const { lab, agent } = await labWith(strategy);
    expect(await run(lab, action)).toEqual(end);
    await lab.clock.advance(60_000);
    expect(life(lab)).toBe(state);
    expect(ready(lab)?.status).toBe('True');
    await agent.stop();
  });

  it('a failed one is Stalled, one that succeeded is Ready', async () => {
    const { lab, agent } = await labWith('Always');
    await run(lab, 'Stop', 'no');
    await run(lab, 'Restart', 'yes');
    expect(lab.conditionOf(lab.operation('no'), 'Stalled')?.status).toBe('True');
    expect(lab.conditionOf(lab.operation('yes'), 'Ready')?.status).toBe('True');
    expect(lab.conditionOf(lab.operation('yes'), 'Reconciling')).toBeUndefined();
    await agent.stop();
  });

  it('Stop, then Start: the guest stays off between them and says who asked', async () => {
    const { lab, agent } = await labWith('RerunOnFailure');
    await run(lab, 'Stop', 'off');
    expect(lab.machine('web')?.status?.runRequest).toMatchObject({ action: 'Stop', by: 'operation/off' });
    expect(await run(lab, 'Start', 'on')).toMatchObject({ phase: 'Succeeded' });
    expect(lab.machine('web')?.status?.runRequest).toMatchObject({ action: 'Start', by: 'operation/on' });
    expect(lab.starts(webId(lab))).toBe(2);
    await agent.stop();
  });
});

describe('an operation', () => {
  it('is overtaken by a later one', async () => {
    const { lab, agent } = await labWith('RerunOnFailure', { shutdown: { timeoutSeconds: 600 } });
    lab.faults['default/web'] = { ignoreShutdown: true };
    lab.createOperation('gently', 'Shutdown', GUEST);
    await lab.until('it is under way', () => status(lab, 'gently')?.phase === 'Running');
    await lab.clock.advance(2_000);
    expect(await run(lab, 'Stop', 'now')).toMatchObject({ phase: 'Succeeded' });
    await lab.until('the first knows', () => status(lab, 'gently')?.phase === 'Superseded');
    expect(life(lab)).toBe('Off');
    await agent.stop();
  });

  it('that comes late is never executed', async () => {
    const { lab, agent } = await labWith('RerunOnFailure');
    await agent.stop();
    lab.createOperation('op', 'Stop', GUEST, { startDeadlineSeconds: 30 });
    await lab.clock.advance(40_000);
    const next = await lab.start();
    await lab.until('it is over', () => status(lab)?.completedAt !== undefined);
    expect(status(lab)?.phase).toBe('Failed');
    expect(reason(lab)).toBe('Expired');
    expect(life(lab)).toBe('Running');
    await next.stop();
  });

  it('that is a restored copy is skipped', async () => {
    const { lab, agent } = await labWith('RerunOnFailure');
    lab.createOperation('op', 'Stop', GUEST, {}, { 'vireo.dev/started': 'op/another-uid' });
    await lab.until('it is over', () => status(lab)?.completedAt !== undefined);
    expect(status(lab)?.phase).toBe('Skipped');
    expect(reason(lab)).toBe('RestoredCopy');
    await lab.clock.advance(30_000);
    expect(life(lab)).toBe('Running');
    await agent.stop();
  });

  it('is stamped before it has any effect', async () => {
    const { lab, agent } = await labWith('RerunOnFailure');
    lab.api.intercept = ({ kind, verb, subresource }) => {
      if (kind.kind === 'Operation' && verb === 'patch' && subresource === undefined) throw new Error('no');
    };
    lab.createOperation('op', 'Stop', GUEST);
    await lab.clock.advance(20_000);
    expect(life(lab)).toBe('Running');
    delete lab.api.intercept;
    await lab.until('it is over', () => status(lab)?.completedAt !== undefined);
    const { metadata } = lab.operation('op') ?? {};
    expect(metadata?.annotations?.['vireo.dev/started']).toBe(`op/${metadata?.uid}`);
    await agent.stop();
  });

  it('Start that fails says why, and the guest is tried again all the same', async () => {
    const { lab, agent } = await labWith('Manual');
    lab.faults['default/web'] = { failStarts: 1 };
    expect(await run(lab, 'Start')).toEqual({ phase: 'Failed', reason: 'SimulatedStartFailure' });
    await lab.until('it runs', () => life(lab) === 'Running');
    await agent.stop();
  });

  it('for a guest that is being deleted fails', async () => {
    const { lab, agent } = await labWith('Always');
    lab.faults['default/web'] = { ignoreShutdown: true };
    await lab.remove(
      {
        group: 'vireo.dev',
        version: 'v1alpha1',
        kind: 'VirtualMachine',
        plural: 'virtualmachines',
        namespaced: true,
      },
      'web',
    );
    await lab.clock.advance(1_000);
    expect(await run(lab, 'Restart')).toEqual({ phase: 'Failed', reason: 'GuestDeleted' });
    await agent.stop();
  });

  it('waits for a guest that is not here yet', async () => {
    const lab = createLab();
    const agent = await lab.start();
    lab.createOperation('op', 'Start', GUEST);
    await lab.until('it waits', () => reason(lab) === 'GuestNotHere');
    lab.createMachine('web', { runStrategy: 'Manual' });
    await lab.until('it is over', () => status(lab)?.completedAt !== undefined);
    expect(status(lab)?.phase).toBe('Succeeded');
    expect(life(lab)).toBe('Running');
    await agent.stop();
  });

  it('that ended is not looked at again', async () => {
    const { lab, agent } = await labWith('RerunOnFailure');
    await run(lab, 'Stop');
    const before = lab.operation('op')?.metadata.resourceVersion;
    await run(lab, 'Start', 'on');
    expect(lab.operation('op')?.metadata.resourceVersion).toBe(before);
    expect(
      lab.user.writes().filter(({ kind, key }) => kind.kind === Operation.kind && key === 'default/op')
        .length,
    ).toBeLessThanOrEqual(3);
    await agent.stop();
  });
});
