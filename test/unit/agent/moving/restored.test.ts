/** The API server is restored from a copy of before a hand-over: what it says of the guest is no longer so. */
import { describe, expect, it } from 'vitest';
import { CLUSTER_CONFIG_MAP, SYSTEM_NAMESPACE } from '../../../../src/api/cluster.ts';
import { ConfigMap } from '../../../../src/api/core.ts';
import { Migration } from '../../../../src/api/kinds/migration.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { ApiError } from '../../../../src/client/contract.ts';
import type { createHosts, HostName } from './hosts.ts';
import { expectWhole, isOver, isSwap, runningGuest, type Type } from './stories.ts';

const web = { namespace: 'default', name: 'web' };
const move = { namespace: 'default', name: 'move' };

type Intercept = NonNullable<ReturnType<typeof createHosts>['api']['intercept']>;

/** What b has is not heard. */
const silenceOfB: Intercept = ({ kind, verb }, host) => {
  if (host === 'b' && kind.kind === 'Host' && verb === 'patch') throw new ApiError(0, 'Unreachable', 'away');
};

/** web moves, and what a asks of the API is answered as the story says. */
async function moving(type: Type = 'Live') {
  const { hosts, ...first } = await runningGuest('VirtualMachine');
  const agents = { a: first.a, b: first.b };
  const id = hosts.idOf('VirtualMachine', 'web');
  hosts.migrate('VirtualMachine', 'web', type);
  const place = (host: string, epoch: number) =>
    hosts.user.mergePatch(
      VirtualMachine,
      web,
      { status: { placement: { host, epoch, since: '2026-01-01T00:00:00Z' } } },
      { subresource: 'status' },
    );
  const mark = () => {
    const ref = { namespace: SYSTEM_NAMESPACE, name: CLUSTER_CONFIG_MAP };
    return hosts.user.mergePatch(ConfigMap, ref, { data: { incarnation: '1000', restored: '1000' } });
  };
  const pass = async (ms: number) => {
    const then = hosts.clock.monotonic() + ms;
    await hosts.until('time passes', () => hosts.clock.monotonic() >= then);
  };
  const away = () => {
    throw new ApiError(0, 'Unreachable', 'away');
  };
  return {
    hosts,
    id,
    pass,
    mark,
    /** The request for the new placement gets no answer, and `a` none to any other from then on. */
    loseAnswer: async (granted: boolean) => {
      let isLost = false;
      hosts.api.intercept = async (request, host) => {
        if (host !== 'a') return;
        if (!isLost && isSwap(request)) {
          isLost = true;
          if (granted)
            await hosts.user.mergePatch(VirtualMachine, web, request.body, { subresource: 'status' });
        }
        if (isLost) away();
      };
      await hosts.until('it is asked', () => isLost);
    },
    restart: async (name: HostName) => {
      await agents[name].stop();
      agents[name] = await hosts.start(name);
    },
    /** A copy of before the hand-over, as `vireo apiserver restore` marks it. Both hosts reach it. */
    restore: async (then?: Intercept) => {
      await place('a', 1);
      const status = { target: { state: 'Ready' }, source: { state: 'Offering' } };
      await hosts.user
        .mergePatch(Migration, move, { status }, { subresource: 'status' })
        .catch(() => undefined);
      await mark();
      if (then === undefined) delete hosts.api.intercept;
      else hosts.api.intercept = then;
    },
    /** The copy is of before the Migration was made. */
    forgetMigration: async () => {
      await hosts.user.mergePatch(Migration, move, { metadata: { finalizers: [] } });
      await hosts.user.delete(Migration, move).catch(() => undefined);
    },
    /** As the manager does once the hosts have reported: where it is remembered with the latest epoch. */
    claim: async () => {
      await hosts.until('b lists it with its epoch', () =>
        (hosts.host('b')?.status?.guests ?? []).some(({ epoch }) => epoch === 2),
      );
      await place('b', 3);
    },
    finish: async (at: 'a' | 'b') => {
      await hosts.until('the move is over', () => isOver(hosts) || hosts.migration() === undefined);
      await pass(60_000);
      expectWhole(hosts, 'VirtualMachine', at);
      await agents.a.stop();
      await agents.b.stop();
    },
  };
}

describe('a guest that was handed over, of which the restored API server knows nothing', () => {
  it.each(['Live', 'Offline'] as const)(
    'is not taken back by a source that never got the answer: it was on b, and stays there (%s)',
    async (type) => {
      const { hosts, id, pass, loseAnswer, restore, claim, finish } = await moving(type);
      await loseAnswer(true);
      await hosts.until('it runs on b', () => hosts.ether.runsOn(id).includes(`b/${id}`));
      await hosts.cancel();
      await restore();
      await pass(60_000);
      expect(hosts.ether.runsOn(id), hosts.describe()).toEqual([`b/${id}`]);
      await claim();
      await finish('b');
    },
  );

  it('loses nothing on b when its Migration is forgotten, too', async () => {
    const { hosts, id, pass, loseAnswer, restore, forgetMigration, claim, finish } = await moving();
    await loseAnswer(true);
    await hosts.until('it runs on b', () => hosts.ether.runsOn(id).includes(`b/${id}`));
    await forgetMigration();
    await restore();
    await pass(60_000);
    expect(hosts.ether.runsOn(id), hosts.describe()).toEqual([`b/${id}`]);
    expect(hosts.volumes('b')).toHaveLength(1);
    await claim();
    await finish('b');
  });

  it('is handed over once more while its move is still wanted', async () => {
    const { hosts, id, pass, loseAnswer, restore, finish } = await moving();
    await loseAnswer(true);
    await hosts.until('it runs on b', () => hosts.ether.runsOn(id).includes(`b/${id}`));
    await restore();
    await pass(10_000);
    expect(hosts.ether.runsOn(id), hosts.describe()).toEqual([`b/${id}`]);
    await finish('b');
    expect(hosts.machine()?.status?.placement?.epoch).toBe(2);
  });
});

describe('a guest that was not handed over before the API server was restored', () => {
  it('is taken back by its source once the target has said that it has nothing of it', async () => {
    const { hosts, id, pass, loseAnswer, restore, finish } = await moving();
    await loseAnswer(false);
    await hosts.cancel();
    await restore(silenceOfB);
    await pass(30_000);
    expect(hosts.ether.runsOn(id), hosts.describe()).toEqual([]);
    delete hosts.api.intercept;
    await finish('a');
    expect(hosts.machine()?.status?.placement?.epoch).toBe(2);
  });
});

describe('a host that gave a guest away, and whose agent has begun anew since', () => {
  it('does not start it by what the restored API server says', async () => {
    const { hosts, id, pass, restart, restore, forgetMigration, claim, finish } = await moving();
    await hosts.until('the move is over', () => isOver(hosts));
    await forgetMigration();
    await restart('a');
    await restore();
    await pass(60_000);
    expect(hosts.ether.runsOn(id), hosts.describe()).toEqual([`b/${id}`]);
    expect(hosts.volumes('a')).toEqual([]);
    await claim();
    await finish('b');
  });
});

describe('a guest that was deleted, and is there again by the restore of the API server', () => {
  it('is taken in by the host that had it, with disks made anew, once the other host has said that it has nothing of it', async () => {
    const { hosts, id, pass, mark } = await moving();
    const copy = hosts.machine();
    if (copy === undefined) throw new Error('there is no guest');
    await hosts.until('the move is over', () => isOver(hosts));
    await hosts.user.delete(VirtualMachine, web);
    await hosts.until('it is gone', () => hosts.machine() === undefined);
    hosts.api.intercept = silenceOfB;
    await mark();
    hosts.user.seed(VirtualMachine, copy);
    await pass(30_000);
    expect(hosts.ether.runsOn(id), hosts.describe()).toEqual([]);
    delete hosts.api.intercept;
    await hosts.until('it runs', () => hosts.ether.runsOn(id).length > 0);
    expect(hosts.ether.runsOn(id), hosts.describe()).toEqual([`a/${id}`]);
  });
});

describe('a guest that was torn out of the API while it was off, and whose name another object has on another host since', () => {
  it('is not started beside that one by what the restored API server says', async () => {
    const { hosts, a, b } = await runningGuest('VirtualMachine');
    const id = hosts.idOf('VirtualMachine', 'web');
    const copy = hosts.machine();
    if (copy === undefined) throw new Error('there is no guest');
    const tearOut = async () => {
      await hosts.user.mergePatch(VirtualMachine, web, { metadata: { finalizers: null } });
      await hosts.user.delete(VirtualMachine, web).catch(() => undefined);
    };
    await hosts.user.mergePatch(VirtualMachine, web, { spec: { runStrategy: 'Halted' } });
    await hosts.until('it is off', () => hosts.ether.runsOn(id).length === 0);
    await tearOut();
    hosts.createMachine({ runStrategy: 'Halted' });
    const status = { placement: { host: 'b', epoch: 2 } };
    await hosts.user.mergePatch(VirtualMachine, web, { status }, { subresource: 'status' });
    await hosts.user.mergePatch(VirtualMachine, web, { spec: { runStrategy: 'Always' } });
    await hosts.until('the new one runs on b', () => hosts.ether.runsOn(id).includes(`b/${id}`));
    await hosts.until('a knows that it has what is nobody’s', () => hosts.record('a', id)?.orphaned === true);

    await tearOut();
    const ref = { namespace: SYSTEM_NAMESPACE, name: CLUSTER_CONFIG_MAP };
    await hosts.user.mergePatch(ConfigMap, ref, { data: { incarnation: '1000', restored: '1000' } });
    hosts.user.seed(VirtualMachine, copy);
    await hosts.until('a says why it waits', () =>
      (hosts.machine()?.status?.conditions ?? []).some(({ message }) => message?.includes('another object')),
    );
    expect(hosts.ether.runsOn(id), hosts.describe()).toEqual([`b/${id}`]);
    await a.stop();
    await b.stop();
  });
});
