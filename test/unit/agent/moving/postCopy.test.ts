import { describe, expect, it } from 'vitest';
import type { MigrationSpec } from '../../../../src/api/kinds/migration.ts';
import type { MemoryRequest } from '../../../../src/client/memory.ts';
import type { HostName } from './hosts.ts';
import { expectWhole, isOver, runningGuest } from './stories.ts';

/** web runs on a, changes its memory faster than it is sent, and begins to move. */
async function moving(more: Partial<MigrationSpec> = { allowPostCopy: true }) {
  const { hosts, a, b } = await runningGuest('VirtualMachine');
  const id = hosts.idOf('VirtualMachine', 'web');
  hosts.ether.busy.add(id);
  hosts.migrate('VirtualMachine', 'web', 'Live', more);
  const phase = () => hosts.ether.transfer('a', id)?.phase;
  const running = { a, b };
  return {
    hosts,
    id,
    phase,
    running,
    reach: (wanted: string) => hosts.until(`it is in ${wanted}`, () => phase() === wanted),
    finish: async (at: HostName) => {
      await hosts.until('the move is over', () => isOver(hosts) || hosts.migration() === undefined);
      for (let passed = 0; passed < 60_000; passed += 1_000) {
        hosts.ether.tick();
        await hosts.clock.advance(1_000);
      }
      expectWhole(hosts, 'VirtualMachine', at);
      await running.a.stop();
      await running.b.stop();
    },
  };
}

const isSwap = ({ verb, body }: MemoryRequest): boolean =>
  verb === 'patch' &&
  (body as { status?: { placement?: unknown } } | undefined)?.status?.placement !== undefined;

describe('a machine whose memory changes faster than it is sent', () => {
  it('goes on on the target before its memory is there, and only when that was allowed', async () => {
    const { hosts, id, reach, finish } = await moving();
    await reach('PostCopy');
    await hosts.until('it runs on b', () => hosts.ether.isRunning('b', id));
    expect(hosts.ether.isIncomplete('b', id)).toBe(true);
    await hosts.until('it says so', () => hosts.migration()?.status?.target?.state === 'Arrived');
    expect(isOver(hosts)).toBe(false);
    await finish('b');
    expect(hosts.migration()?.status).toMatchObject({ phase: 'Succeeded', mode: 'PostCopy' });
    const { totalMilliseconds = 0, downtimeMilliseconds = 0 } = hosts.migration()?.status ?? {};
    // Its memory takes three seconds more, and the guest runs meanwhile.
    expect(totalMilliseconds - downtimeMilliseconds).toBeGreaterThan(3_000);
    expect(downtimeMilliseconds).toBeLessThan(2_500);
  });

  it('is sent until its memory is there when nothing else was allowed', async () => {
    const { hosts, id, reach, finish } = await moving({});
    await reach('Memory');
    const later = hosts.clock.monotonic() + 20_000;
    await hosts.until('time has passed', () => hosts.clock.monotonic() > later);
    expect(hosts.ether.isRunning('a', id)).toBe(true);
    hosts.ether.busy.clear();
    await finish('b');
    expect(hosts.migration()?.status).not.toHaveProperty('mode');
  });

  it('has its placement changed before the switch', async () => {
    const { hosts, phase, finish } = await moving();
    const phases: unknown[] = [];
    hosts.api.intercept = (request, host) => {
      if (host === 'a' && isSwap(request)) phases.push(phase());
    };
    await finish('b');
    expect(phases).toEqual(['AwaitingSwitch']);
  });
});

describe('before the switch', () => {
  it('a link that is cut leaves it on the source', async () => {
    const { hosts, reach, finish } = await moving();
    await reach('Memory');
    hosts.ether.cut.add('b');
    await finish('a');
  });

  it('a Migration that is deleted while it stands still leaves it on the source', async () => {
    const { hosts, reach, finish } = await moving();
    hosts.api.intercept = (request, host) => {
      if (host === 'a' && isSwap(request)) throw new Error('away');
    };
    await reach('AwaitingSwitch');
    await hosts.cancel();
    delete hosts.api.intercept;
    await finish('a');
  });

  it('a target that dies after the placement was changed gives it back, with its memory', async () => {
    const { hosts, id, running, finish } = await moving();
    hosts.api.intercept = (request, host) => {
      if (host === 'a' && isSwap(request)) hosts.ether.stopWaiting('b', id);
    };
    await finish('a');
    expect(running.a.crasher.effects().filter((effect) => effect.includes('takeBack'))).toHaveLength(1);
    expect(hosts.machine()?.status?.placement?.epoch).toBe(3);
  });

  it('a source agent that dies after the placement was changed switches when it is back', async () => {
    const { hosts, id, running, phase, finish } = await moving();
    let swapped = false;
    hosts.api.intercept = (request, host) => {
      if (host === 'a' && isSwap(request)) swapped = true;
      else if (host === 'a' && swapped) throw new Error('dead');
    };
    await hosts.until('its placement is b', () => hosts.machine()?.status?.placement?.host === 'b');
    await running.a.kill();
    delete hosts.api.intercept;
    if (phase() === 'AwaitingSwitch') expect(hosts.ether.runsOn(id)).toEqual([]);
    running.a = await hosts.start('a');
    await finish('b');
  });
});

describe('after the switch', () => {
  it('a link that is cut holds it up on the target, says so, and is made anew', async () => {
    const { hosts, id, reach, finish } = await moving();
    await reach('PostCopy');
    hosts.ether.cut.add('b');
    await hosts.until(
      'the source says so',
      () => hosts.migration()?.status?.source?.state === 'Disconnected',
    );
    expect(hosts.migration()?.status?.message).toContain('the connection to b is lost');
    await hosts.until('the target listens', () => hosts.migration()?.status?.target?.state === 'Listening');
    expect(hosts.ether.runsOn(id)).toEqual([`b/${id}`]);
    hosts.ether.cut.delete('b');
    await finish('b');
    expect(hosts.migration()?.status).toMatchObject({ phase: 'Succeeded', mode: 'PostCopy' });
  });

  it('a source process that dies costs it its memory: it starts from its disks, on the target only', async () => {
    const { hosts, id, reach, finish } = await moving();
    await reach('PostCopy');
    await hosts.until('it is said', () => hosts.migration()?.status?.target?.state === 'Arrived');
    await hosts.crash('a', id);
    await hosts.until('the source says so', () => hosts.migration()?.status?.source?.state === 'Lost');
    await finish('b');
    expect(hosts.migration()?.status).toMatchObject({ phase: 'Succeeded' });
  });

  it('a target process that dies starts it from its disks there, and never on the source', async () => {
    const { hosts, id, reach, finish } = await moving();
    await reach('PostCopy');
    await hosts.until('it runs on b', () => hosts.ether.isRunning('b', id));
    await hosts.crash('b', id);
    await finish('b');
  });
});
