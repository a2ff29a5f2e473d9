/** A start that another process refuses by its lock of a volume: it is waited for, and no failure of this host. */
import { describe, expect, it } from 'vitest';
import { createLab } from './lab.ts';

describe('a guest whose volume another process has locked', () => {
  it('waits, counts no failed start, and starts once the lock is given up', async () => {
    const lab = createLab();
    lab.faults['default/web'] = { locked: true };
    lab.createMachine('web');
    const agent = await lab.start();
    const ready = () => lab.conditionOf(lab.machine('web'), 'Ready');
    await lab.until('it waits', () => ready()?.reason === 'VolumeLocked');
    expect(ready()?.status).toBe('False');
    expect(lab.conditionOf(lab.machine('web'), 'Stalled')).toBeUndefined();
    await lab.clock.advance(300_000);
    expect(ready()?.reason).toBe('VolumeLocked');
    expect(lab.machine('web')?.status?.startFailure).toBeUndefined();
    expect(lab.machine('web')?.status?.phase).toBe('Starting');
    delete lab.faults['default/web'];
    await lab.until('it runs', () => ready()?.status === 'True', 10_000);
    await agent.stop();
  });

  it('keeps the failures that were counted before', async () => {
    const lab = createLab();
    lab.faults['default/web'] = { failStarts: 2 };
    lab.createMachine('web');
    const agent = await lab.start();
    const failures = () => lab.machine('web')?.status?.startFailure?.count;
    await lab.until('it failed', () => failures() === 1);
    lab.faults['default/web'] = { failStarts: 2, locked: true };
    const ready = () => lab.conditionOf(lab.machine('web'), 'Ready');
    await lab.until('it waits', () => ready()?.reason === 'VolumeLocked');
    await lab.clock.advance(60_000);
    expect(failures()).toBe(1);
    lab.faults['default/web'] = { failStarts: 2 };
    await lab.until('it failed again', () => failures() === 2);
    await lab.until('it runs', () => ready()?.status === 'True');
    await agent.stop();
  });

  it('is told to a person after ten minutes, and still tried', async () => {
    const lab = createLab();
    lab.faults['default/web'] = { locked: true };
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until(
      'it waits',
      () => lab.conditionOf(lab.machine('web'), 'Ready')?.reason === 'VolumeLocked',
    );
    await lab.clock.advance(610_000);
    expect(lab.conditionOf(lab.machine('web'), 'Stalled')).toMatchObject({ reason: 'VolumeLocked' });
    delete lab.faults['default/web'];
    await lab.until('it runs', () => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True', 10_000);
    await agent.stop();
  });
});
