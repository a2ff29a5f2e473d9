import { describe, expect, it } from 'vitest';
import { createLab } from './lab.ts';

describe('a guest placed on this host', () => {
  it('comes to life with its volume, its address and a status that says so', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createImage('demo');
    lab.createMachine('web', {
      disks: [{ name: 'root', pool: 'local', source: { image: { name: 'demo' } } }],
      networks: [{ name: 'lan', nat: {} }],
    });
    const agent = await lab.start();
    await lab.until('web is Ready', () => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True');

    const { status, metadata } = lab.machine('web') ?? {};
    expect(status?.phase).toBe('Running');
    expect(status?.networks?.[0]?.addresses).toHaveLength(1);
    expect(status?.volumes?.[0]?.pool).toBe('local');
    expect(status?.effective?.machine).toBe('pc-q35-simulated');
    expect(status?.placement?.epoch).toBe(1);
    expect(lab.conditionOf(lab.machine('web'), 'Scheduled')?.status).toBe('True');
    expect(metadata?.annotations?.['vireo.dev/started']).toBe(`web/${metadata?.uid}`);
    await lab.until('the Host lists it as running', () => lab.host()?.status?.guests?.[0]?.running === true);
    expect(lab.host()?.status?.guests).toMatchObject([{ name: 'web', epoch: 1 }]);
    await agent.stop();
  });
});
