import { describe, expect, it } from 'vitest';
import { Lease } from '../../../src/api/core.ts';
import { silentLog } from '../../../src/base/log.ts';
import { ApiError } from '../../../src/client/contract.ts';
import type { MemoryRequest } from '../../../src/client/memory.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { LeadershipLostError, runAsLeader } from '../../../src/runtime/leader.ts';
import { createFakeClock } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';

const lease = { namespace: 'vireo-system', name: 'vireo-manager' };

/** Replicas of a manager on one server; each can be cut off, stopped, or slow to end. */
function lab() {
  const clock = createFakeClock();
  const server = createMemoryClient({ clock });
  const leaders = new Set<string>();
  let most = 0;

  const replica = (identity: string, slowToEnd = false) => {
    let isCut = false;
    const intercept = ({ verb }: MemoryRequest): void => {
      if (isCut) throw new ApiError(0, 'Unreachable', `${verb} went nowhere`);
    };
    const client = createMemoryClient({ clock, server, intercept });
    const stop = new AbortController();
    let finish = (): void => {};
    const lead = (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        leaders.add(identity);
        most = Math.max(most, leaders.size);
        finish = () => {
          leaders.delete(identity);
          resolve();
        };
        signal.addEventListener('abort', () => {
          if (!slowToEnd) finish();
        });
      });
    const world = { clock, random: seededRandom(identity.length), log: silentLog };
    const ended = runAsLeader({ client, world, ...lease, identity }, lead, stop.signal).then(
      () => 'ended',
      (error: unknown) => error,
    );
    return {
      ended,
      stop: () => stop.abort(),
      cut: () => {
        isCut = true;
      },
      heal: () => {
        isCut = false;
      },
      finish: () => finish(),
    };
  };
  return { clock, server, replica, leaders, most: () => most };
}

describe('leadership', () => {
  it('belongs to the first, which renews it every second', async () => {
    const { clock, server, replica, leaders } = lab();
    replica('a');
    await clock.advance(0);
    replica('b-replica');
    await clock.advance(60_000);
    expect([...leaders]).toEqual(['a']);
    const { spec } = await server.get(Lease, lease);
    expect(spec).toMatchObject({
      holderIdentity: 'a',
      leaseTransitions: 0,
      acquireTime: '2026-01-01T00:00:00.000000Z',
    });
    expect(spec.renewTime).toBe('2026-01-01T00:01:00.000000Z');
  });

  it('is handed over at once by an orderly stop, after the work has ended', async () => {
    const { clock, replica, leaders, most } = lab();
    const first = replica('a', true);
    await clock.advance(0);
    replica('b-replica');
    await clock.advance(5_000);
    first.stop();
    await clock.advance(30_000);
    expect([...leaders]).toEqual(['a']);
    first.finish();
    expect(await first.ended).toBe('ended');
    await clock.advance(1_200);
    expect([...leaders]).toEqual(['b-replica']);
    expect(most()).toBe(1);
  });

  it('is given up by who cannot renew it before anyone else may take it', async () => {
    const { clock, server, replica, leaders, most } = lab();
    const first = replica('a');
    await clock.advance(0);
    replica('b-replica');
    await clock.advance(10_000);
    first.cut();
    await clock.advance(4_500);
    expect([...leaders]).toEqual([]);
    expect(await first.ended).toBeInstanceOf(LeadershipLostError);
    await clock.advance(3_000);
    expect([...leaders]).toEqual(['b-replica']);
    expect(most()).toBe(1);
    expect((await server.get(Lease, lease)).spec).toMatchObject({
      holderIdentity: 'b-replica',
      leaseTransitions: 1,
    });
  });

  it('survives a short cut', async () => {
    const { clock, replica, leaders } = lab();
    const first = replica('a');
    await clock.advance(0);
    replica('b-replica');
    await clock.advance(3_000);
    first.cut();
    await clock.advance(3_000);
    first.heal();
    await clock.advance(60_000);
    expect([...leaders]).toEqual(['a']);
  });

  it('of a crashed process is taken a full duration after its last sign of life was seen', async () => {
    const { clock, server, replica, leaders } = lab();
    server.seed(Lease, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: lease,
      spec: { holderIdentity: 'dead', leaseDurationSeconds: 6, renewTime: '1999-01-01T00:00:00.000000Z' },
    });
    replica('b-replica');
    await clock.advance(5_900);
    expect([...leaders]).toEqual([]);
    await clock.advance(1_500);
    expect([...leaders]).toEqual(['b-replica']);
  });

  it('waits out the longer lease of a differently configured holder', async () => {
    const { clock, server, replica, leaders } = lab();
    server.seed(Lease, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: lease,
      spec: { holderIdentity: 'slow', leaseDurationSeconds: 30, renewTime: '2026-01-01T00:00:00.000000Z' },
    });
    replica('b-replica');
    await clock.advance(29_000);
    expect([...leaders]).toEqual([]);
    await clock.advance(3_000);
    expect([...leaders]).toEqual(['b-replica']);
  });

  it('is lost when another took it, however that came about', async () => {
    const { clock, server, replica, leaders } = lab();
    const first = replica('a');
    await clock.advance(2_000);
    await server.mergePatch(Lease, lease, { spec: { holderIdentity: 'thief' } });
    await clock.advance(5_500);
    expect([...leaders]).toEqual([]);
    expect(await first.ended).toBeInstanceOf(LeadershipLostError);
  });

  it('never has two at once, whatever is cut', async () => {
    const { clock, replica, leaders, most } = lab();
    const random = seededRandom(7);
    const all = ['a', 'b-replica', 'c-the-third'].map((identity) => replica(identity));
    for (let step = 0; step < 200; step += 1) {
      const one = all[Math.floor(random.float() * all.length)];
      if (random.float() < 0.5) one?.cut();
      else one?.heal();
      await clock.advance(random.float() * 3_000);
      expect(leaders.size).toBeLessThanOrEqual(1);
    }
    expect(most()).toBe(1);
  });

  it('ends without having led', async () => {
    const { clock, replica } = lab();
    replica('a');
    await clock.advance(0);
    const second = replica('b-replica');
    await clock.advance(2_000);
    second.stop();
    expect(await second.ended).toBe('ended');
  });

  it('refuses times that cannot work', async () => {
    const clock = createFakeClock();
    const world = { clock, random: seededRandom(), log: silentLog };
    const client = createMemoryClient({ clock });
    const options = { client, world, ...lease, identity: 'a', leaseDurationMs: 1_000 };
    await expect(runAsLeader(options, async () => {}, new AbortController().signal)).rejects.toThrow(
      'renewIntervalMs',
    );
  });
});
