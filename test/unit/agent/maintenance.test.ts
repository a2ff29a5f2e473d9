import { describe, expect, it } from 'vitest';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { createLab, type Lab } from './lab.ts';

const ready = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready');
const maintenance = (lab: Lab, value: unknown) =>
  lab.user.mergePatch(
    VirtualMachine,
    { name: 'web', namespace: 'default' },
    { status: { maintenance: value } },
    { subresource: 'status' },
  );
const STOP = { host: 'h1', action: 'Stop', since: '2026-01-01T00:00:00Z' };

describe('a guest that is stopped for maintenance', () => {
  it('shuts down whatever its strategy says, stays off over a restart of the agent, and comes back', async () => {
    const lab = createLab();
    lab.createMachine('web', { runStrategy: 'Always' });
    const first = await lab.start();
    await lab.until('web runs', () => ready(lab)?.status === 'True');
    await maintenance(lab, STOP);
    await lab.until('web is off', () => lab.machine('web')?.status?.phase === 'Stopped');
    expect(ready(lab)).toMatchObject({ status: 'False', reason: 'HostInMaintenance' });
    await first.stop();

    const second = await lab.start();
    await lab.clock.advance(30_000);
    expect(lab.machine('web')?.status?.phase).toBe('Stopped');
    await maintenance(lab, null);
    await lab.until('web runs again', () => ready(lab)?.status === 'True');
    expect(lab.machine('web')?.status?.phase).toBe('Running');
    expect(lab.starts(lab.idOf('VirtualMachine', 'web'))).toBe(2);
    await second.stop();
  });

  it('is not stopped for the maintenance of another host', async () => {
    const lab = createLab();
    lab.createMachine('web', { runStrategy: 'Always' });
    const agent = await lab.start();
    await lab.until('web runs', () => ready(lab)?.status === 'True');
    await maintenance(lab, { ...STOP, host: 'h2' });
    await lab.clock.advance(30_000);
    expect(lab.machine('web')?.status?.phase).toBe('Running');
    await agent.stop();
  });
});
