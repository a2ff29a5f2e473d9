import { describe, expect, it } from 'vitest';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { ApiError } from '../../../../src/client/contract.ts';
import type { MemoryRequest } from '../../../../src/client/memory.ts';
import type { HostName } from './hosts.ts';
import { expectWhole, isOver, isSwap, runningGuest, type Type } from './stories.ts';

/** web runs on a and begins to move. */
async function moving(type: Type = 'Live') {
  const { hosts, a, b } = await runningGuest('VirtualMachine');
  const id = hosts.idOf('VirtualMachine', 'web');
  hosts.migrate('VirtualMachine', 'web', type);
  const phase = () => hosts.ether.transfer('a', id)?.phase;
  return {
    hosts,
    id,
    phase,
    /** Until the move is over, and a little longer. */
    finish: async (at: HostName) => {
      await hosts.until('the move is over', () => isOver(hosts) || hosts.migration() === undefined);
      for (let passed = 0; passed < 60_000; passed += 1_000) {
        hosts.ether.tick();
        await hosts.clock.advance(1_000);
      }
      expectWhole(hosts, 'VirtualMachine', at);
      await a.stop();
      await b.stop();
    },
  };
}

describe('a machine that moves stays, and the target is cleaned, when', () => {
  it.each(['Disks', 'Memory', 'SwitchingOver'])('the link is cut in phase %s', async (at) => {
    const { hosts, phase, finish } = await moving();
    await hosts.until(`it is in ${at}`, () => phase() === at);
    hosts.ether.cut.add('b');
    await finish('a');
    expect(hosts.migration()?.status).toMatchObject({ phase: 'Failed', message: 'the connection broke' });
  });

  it.each(['Disks', 'Memory'])('nothing arrives any more in phase %s, and nobody hangs up', async (at) => {
    const { hosts, phase, finish } = await moving();
    await hosts.until(`it is in ${at}`, () => phase() === at);
    hosts.ether.silent.add('b');
    await finish('a');
    expect(hosts.migration()?.status?.conditions?.find(({ type }) => type === 'Stalled')?.reason).toBe(
      'NoProgress',
    );
  });

  it.each(['Disks', 'Memory', 'SwitchingOver'])(
    'the process that waits for it dies in phase %s',
    async (at) => {
      const { hosts, id, phase, finish } = await moving();
      await hosts.until(`it is in ${at}`, () => phase() === at);
      hosts.ether.stopWaiting('b', id);
      await finish('a');
      expect(hosts.migration()?.status?.phase).toBe('Failed');
    },
  );

  it('the source cannot be reached for half a minute when the target asks it for the guest', async () => {
    const { hosts, finish } = await moving();
    hosts.ether.cut.add('a');
    await hosts.until('it is given up', () => isOver(hosts));
    hosts.ether.cut.delete('a');
    await finish('a');
    expect(hosts.migration()?.status?.conditions?.find(({ type }) => type === 'Stalled')?.reason).toBe(
      'PeerUnreachable',
    );
  });

  it('the target has no room for its disk', async () => {
    const { hosts, finish } = await moving();
    hosts.poolFaults.b.full = true;
    await finish('a');
    expect(hosts.migration()?.status?.conditions?.find(({ type }) => type === 'Stalled')?.reason).toBe(
      'PoolFull',
    );
  });

  it.each(['Disks', 'Memory', 'SwitchingOver'])('its Migration is deleted in phase %s', async (at) => {
    const { hosts, phase, finish } = await moving();
    await hosts.until(`it is in ${at}`, () => phase() === at);
    await hosts.cancel();
    await hosts.until('the Migration is gone', () => hosts.migration() === undefined);
    await finish('a');
  });

  it('the API server refuses the new placement', async () => {
    const { hosts, finish } = await moving();
    hosts.api.intercept = (request, host) => {
      if (host === 'a' && isSwap(request)) throw new ApiError(403, 'Forbidden', 'not allowed');
    };
    await finish('a');
    expect(hosts.migration()?.status).toMatchObject({ phase: 'Failed' });
  });
});

it('a target asks again when its source is back: an agent that is killed is started anew', async () => {
  const { hosts, finish } = await moving();
  hosts.ether.cut.add('a');
  await hosts.until('the target prepares', () => hosts.migration()?.status?.target?.state === 'Preparing');
  const back = hosts.clock.monotonic() + 10_000;
  await hosts.until('it is back', () => hosts.clock.monotonic() > back);
  hosts.ether.cut.delete('a');
  await finish('b');
});

describe('the hand-over', () => {
  it('whose answer is lost is looked up, and done once', async () => {
    const { hosts, finish } = await moving();
    let lost = 0;
    hosts.api.intercept = async (request, host) => {
      if (host !== 'a' || !isSwap(request) || lost > 0) return;
      lost += 1;
      await hosts.user.mergePatch(VirtualMachine, { namespace: 'default', name: 'web' }, request.body, {
        subresource: 'status',
      });
      throw new ApiError(0, 'Timeout', 'no answer');
    };
    await finish('b');
    expect(lost).toBe(1);
    expect(hosts.machine()?.status?.placement?.epoch).toBe(2);
  });

  it('whose request comes to the API server after it was given up changes nothing any more', async () => {
    const { hosts, finish } = await moving();
    let late: MemoryRequest | undefined;
    hosts.api.intercept = async (request, host) => {
      if (host !== 'a' || !isSwap(request) || late !== undefined) return;
      late = request;
      await hosts.cancel();
      throw new ApiError(0, 'Timeout', 'no answer');
    };
    await hosts.until('the Migration is gone', () => hosts.migration() === undefined);
    const patch = hosts.user.mergePatch(VirtualMachine, { namespace: 'default', name: 'web' }, late?.body, {
      subresource: 'status',
    });
    await expect(patch).rejects.toThrow();
    await finish('a');
    expect(hosts.machine()?.status?.placement?.epoch).toBe(2);
  });

  it.each([5_000, 30_000])(
    'waits while the API server is away for %d ms, and nobody runs twice',
    async (ms) => {
      const { hosts, phase, finish } = await moving();
      await hosts.until('it is being switched over', () => phase() === 'SwitchingOver');
      const back = hosts.clock.monotonic() + ms;
      hosts.api.intercept = () => {
        if (hosts.clock.monotonic() < back) throw new ApiError(0, 'Unreachable', 'away');
      };
      await hosts.until('it is back', () => hosts.clock.monotonic() > back + 5_000);
      await hosts.until('the move is over', () => isOver(hosts));
      await finish(hosts.migration()?.status?.phase === 'Succeeded' ? 'b' : 'a');
    },
  );

  it.each(['a', 'b'] as const)(
    'is seen late by the watch of the host %s: what left it is not made there anew',
    async (late) => {
      const { hosts, finish } = await moving();
      let made = 0;
      hosts.api.isLate = (host) => host === late;
      await hosts.until('the guest is on b', () => hosts.machine()?.status?.placement?.host === 'b');
      const heard = hosts.clock.monotonic() + 200_000;
      await hosts.until('it is heard', () => {
        if (isOver(hosts)) made = Math.max(made, hosts.volumes('a').length);
        return hosts.clock.monotonic() > heard;
      });
      delete hosts.api.isLate;
      await finish('b');
      expect(made).toBe(0);
    },
  );

  it('that has been asked for is finished when the Migration is deleted', async () => {
    const { hosts, finish } = await moving();
    let deleted = false;
    hosts.api.intercept = async (request, host) => {
      if (host !== 'a' || !isSwap(request) || deleted) return;
      deleted = true;
      await hosts.cancel();
    };
    await hosts.until('the Migration is gone', () => hosts.migration() === undefined);
    await finish('b');
  });

  it('is followed by the loss of the process there before it ran: the source takes the guest back with its memory', async () => {
    const { hosts, id, finish } = await moving();
    hosts.api.intercept = (request, host) => {
      if (host === 'a' && isSwap(request)) hosts.ether.stopWaiting('b', id);
    };
    await finish('a');
    expect(hosts.machine()?.status?.placement?.epoch).toBe(3);
  });
});

describe('a guest that moves offline', () => {
  it('is started again on the source when its start on the target fails', async () => {
    const { hosts, finish } = await moving('Offline');
    hosts.startFaults.b = 99;
    await finish('a');
    expect(hosts.migration()?.status?.phase).toBe('Failed');
  });

  it('waits for nothing it was not asked to: a stopped guest moves its disks and stays off', async () => {
    const { hosts } = await runningGuest('VirtualMachine');
    await hosts.user.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { spec: { runStrategy: 'Halted' } },
    );
    const id = hosts.idOf('VirtualMachine', 'web');
    await hosts.until('it is off', () => hosts.machine()?.status?.phase === 'Stopped');
    hosts.migrate('VirtualMachine', 'web', 'Offline');
    await hosts.until('the move is over', () => isOver(hosts));
    expect(hosts.migration()?.status?.phase).toBe('Succeeded');
    expect(hosts.volumes('b')).toHaveLength(1);
    expect(hosts.volumes('a')).toEqual([]);
    expect(hosts.ether.runsOn(id)).toEqual([]);
    expect(hosts.record('a', id)).toBeUndefined();
  });
});

describe('a guest that is wanted off or gone', () => {
  it('does not move on: the move is called off, and the guest stops', async () => {
    const { hosts, id, phase } = await moving();
    await hosts.until('memory is sent', () => phase() === 'Memory');
    await hosts.user.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { spec: { runStrategy: 'Halted' } },
    );
    await hosts.until('it is off', () => hosts.machine()?.status?.phase === 'Stopped');
    expect(hosts.migration()?.status?.phase).toBe('Cancelled');
    await hosts.until('b is clean', () => hosts.record('b', id) === undefined);
    expect(hosts.ether.shells()).toEqual([]);
    expect(hosts.volumes('b')).toEqual([]);
  });

  it('is removed from both hosts when it is deleted after its hand-over and before it ran there', async () => {
    const { hosts, id } = await moving();
    let deleted = false;
    hosts.api.intercept = async ({ verb, kind }, host) => {
      const isGate = host === 'b' && verb === 'get' && kind.kind === 'VirtualMachine';
      if (!isGate || deleted || hosts.machine()?.status?.placement?.host !== 'b') return;
      deleted = true;
      await hosts.user.delete(VirtualMachine, { namespace: 'default', name: 'web' });
    };
    await hosts.until('it is gone', () => hosts.machine() === undefined);
    await hosts.until('the move is over', () => isOver(hosts));
    await hosts.until('nothing is left', () =>
      [hosts.record('a', id), hosts.record('b', id)].every((record) => record === undefined),
    );
    expect([...hosts.volumes('a'), ...hosts.volumes('b')]).toEqual([]);
    expect(hosts.ether.shells()).toEqual([]);
    expect(hosts.ether.runsOn(id)).toEqual([]);
    expect(hosts.ether.violations).toEqual([]);
  });

  it('is removed from both hosts when it is deleted while it moves', async () => {
    const { hosts, id, phase } = await moving();
    await hosts.until('memory is sent', () => phase() === 'Memory');
    await hosts.user.delete(VirtualMachine, { namespace: 'default', name: 'web' });
    await hosts.until('it is gone', () => hosts.machine() === undefined);
    await hosts.until('b is clean', () => hosts.record('b', id) === undefined);
    expect([...hosts.volumes('a'), ...hosts.volumes('b')]).toEqual([]);
    expect(hosts.ether.shells()).toEqual([]);
    expect(hosts.ether.violations).toEqual([]);
  });
});
