import { describe, expect, it } from 'vitest';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { crashEverywhere } from './crashEverywhere.ts';
import type { Lab } from './lab.ts';

const GUEST = { kind: 'VirtualMachine', name: 'web' } as const;

function createWeb(lab: Lab) {
  lab.createPool('local');
  return lab.createMachine('web', {
    runStrategy: 'RerunOnFailure',
    disks: [{ name: 'data', pool: 'local', size: '1Gi' }],
    networks: [{ name: 'lan', nat: {} }],
  });
}

function isReady(lab: Lab): boolean {
  return lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True';
}

function web(lab: Lab) {
  return lab.lives('machines').find(({ id }) => id === lab.idOf('VirtualMachine', 'web'));
}

describe('an agent killed between any two side effects', () => {
  it('brings a guest up exactly once', async () => {
    const effects = await crashEverywhere({
      prepare: async (lab) => void createWeb(lab),
      isOver: isReady,
      check: (lab) => {
        expect(web(lab)).toMatchObject({ state: 'Running' });
        expect(lab.starts(lab.idOf('VirtualMachine', 'web'))).toBe(1);
        expect(lab.machine('web')?.status?.phase).toBe('Running');
        expect(lab.plugs.size).toBe(1);
      },
    });
    expect(effects).toBeGreaterThan(8);
  }, 60_000);

  it('removes a deleted guest with all it had', async () => {
    await crashEverywhere({
      prepare: async (lab) => {
        createWeb(lab);
        const agent = await lab.start();
        await lab.until('web is Ready', () => isReady(lab));
        await agent.stop();
        await lab.remove(VirtualMachine, 'web');
      },
      isOver: (lab) => lab.machine('web') === undefined,
      check: (lab) => {
        expect(lab.lives('machines')).toEqual([]);
        expect(lab.plugs.size).toBe(0);
        expect(lab.disk.get('/state/pools/local/pool.json')).toContain('"volumes":[]');
        expect([...lab.disk.keys()].filter((path) => path.startsWith('/state/guests/'))).toEqual([]);
        expect(lab.host()?.status?.guests).toEqual([]);
      },
    });
  }, 60_000);

  it('restarts once for an Operation', async () => {
    await crashEverywhere({
      prepare: async (lab) => {
        createWeb(lab);
        const agent = await lab.start();
        await lab.until('web is Ready', () => isReady(lab));
        await agent.stop();
        lab.createOperation('again', 'Restart', GUEST);
      },
      isOver: (lab) => lab.operation('again')?.status?.completedAt !== undefined,
      check: (lab) => {
        expect(lab.operation('again')?.status).toMatchObject({ phase: 'Succeeded' });
        expect(web(lab)).toMatchObject({ state: 'Running' });
        expect(lab.starts(lab.idOf('VirtualMachine', 'web'))).toBe(2);
      },
    });
  }, 60_000);

  it('stops once for an Operation, and the guest stays off', async () => {
    await crashEverywhere({
      prepare: async (lab) => {
        createWeb(lab);
        const agent = await lab.start();
        await lab.until('web is Ready', () => isReady(lab));
        await agent.stop();
        lab.createOperation('off', 'Shutdown', GUEST);
      },
      isOver: (lab) => lab.operation('off')?.status?.completedAt !== undefined,
      check: (lab) => {
        expect(lab.operation('off')?.status).toMatchObject({ phase: 'Succeeded' });
        expect(web(lab)?.state).toBe('Off');
        expect(lab.machine('web')?.status).toMatchObject({
          phase: 'Stopped',
          runRequest: { action: 'Stop' },
        });
        expect(isReady(lab)).toBe(true);
      },
    });
  }, 60_000);
});
