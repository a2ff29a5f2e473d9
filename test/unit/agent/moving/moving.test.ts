import { describe, expect, it } from 'vitest';
import { expectWhole, isOver, runningGuest } from './stories.ts';

describe('a machine that moves while it runs', () => {
  it('is handed over once, with all it wrote, and leaves nothing behind', async () => {
    const { hosts, a, b } = await runningGuest('VirtualMachine');
    hosts.migrate('VirtualMachine', 'web', 'Live');
    await hosts.until('the move is over', () => isOver(hosts));
    await hosts.until('it has settled', () => hosts.machine()?.status?.phase === 'Running');
    expect(hosts.migration()?.status).toMatchObject({
      phase: 'Succeeded',
      source: { state: 'Released' },
      target: { state: 'Settled' },
    });
    expect(hosts.migration()?.status?.downtimeMilliseconds).toBeGreaterThanOrEqual(20);
    expect(hosts.machine()?.status?.placement?.epoch).toBe(2);
    expectWhole(hosts, 'VirtualMachine', 'b');
    await a.stop();
    await b.stop();
  });
});

describe('a container', () => {
  it('is copied while it runs, stopped, copied again and started there', async () => {
    const { hosts, a, b } = await runningGuest('Container');
    hosts.migrate('Container', 'box', 'Offline');
    await hosts.until('the move is over', () => isOver(hosts));
    expect(hosts.migration()?.status).toMatchObject({ phase: 'Succeeded' });
    expectWhole(hosts, 'Container', 'b');
    await a.stop();
    await b.stop();
  });
});
