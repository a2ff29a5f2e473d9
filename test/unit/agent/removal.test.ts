import { describe, expect, it } from 'vitest';
import { removeEverything } from '../../../src/agent/removal.ts';
import { createLab } from './lab.ts';

describe('removing everything without an API server', () => {
  it('ends all guests and leaves nothing in the state directory, but the volumes of pools elsewhere', async () => {
    const lab = createLab({ config: { poolPaths: ['/srv'] } });
    lab.createPool('local');
    lab.createPool('mine', { directory: { path: '/srv/mine' } });
    lab.createMachine('web', {
      disks: [
        { name: 'a', pool: 'local', size: '1Gi' },
        { name: 'b', pool: 'mine', size: '1Gi' },
      ],
      networks: [{ name: 'lan', nat: {} }],
    });
    lab.faults['default/web'] = { ignoreShutdown: true };
    const agent = await lab.start();
    await lab.until('web is Ready', () => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True');
    await agent.stop();

    const removal = await removeEverything(lab.forRemoval());
    expect(removal).toEqual({ guests: 1, problems: [] });
    expect(lab.lives('machines')).toEqual([]);
    expect(lab.plugs.size).toBe(0);
    expect([...lab.disk.keys()].filter((path) => path.startsWith('/state/'))).toEqual([]);
    expect(lab.disk.get('/srv/mine/pool.json')).toContain('-b');
  });

  it('keeps the record of what could not be ended, so that it can be tried again', async () => {
    const lab = createLab();
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until('web is Ready', () => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True');
    await agent.stop();
    const options = lab.forRemoval();
    options.drivers.machines.kill = async () => {
      throw new Error('its storage does not answer');
    };
    const removal = await removeEverything(options);
    expect(removal.problems).toEqual([expect.stringContaining('its storage does not answer')]);
    expect(lab.record(lab.idOf('VirtualMachine', 'web'))).toBeDefined();
    expect(await removeEverything(lab.forRemoval())).toEqual({ guests: 1, problems: [] });
  });
});
