import { describe, expect, it } from 'vitest';
import { Event } from '../../../src/api/core.ts';
import { silentLog } from '../../../src/base/log.ts';
import { ApiError } from '../../../src/client/contract.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { createEventRecorder } from '../../../src/runtime/events.ts';
import { createFakeClock } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';
import { Guest, guest } from '../client/guests.ts';

function lab() {
  const clock = createFakeClock();
  const server = createMemoryClient({ clock });
  let fault: ApiError | undefined;
  const client = createMemoryClient({
    clock,
    server,
    intercept: () => {
      if (fault !== undefined) throw fault;
    },
  });
  const world = { clock, random: seededRandom(), log: silentLog };
  let lastPassMs = Number.NEGATIVE_INFINITY;
  const recorder = createEventRecorder({
    client,
    world,
    component: 'vireo-agent',
    host: 'h1',
    lastPassMs: () => lastPassMs,
  });
  /** Passes one after the other for a time. */
  const work = async (forMs: number): Promise<void> => {
    for (let ms = 0; ms < forMs; ms += 100) {
      lastPassMs = clock.monotonic();
      await clock.advance(100);
    }
  };
  const events = async () => (await server.list(Event)).items;
  const setFault = (next: ApiError | undefined): void => {
    fault = next;
  };
  return { clock, server, recorder, events, setFault, work };
}

describe('recorded events', () => {
  it('are one for one thing said, with its count after a minute', async () => {
    const { clock, server, recorder, events } = lab();
    const web = server.seed(Guest, guest('web'));
    for (let times = 0; times < 5; times += 1)
      recorder.record(Guest, web, 'Warning', 'DiskFull', 'free some space');
    recorder.record(Guest, web, 'Normal', 'Started', 'it runs');
    await clock.advance(60_000);
    const said = (await events()).map(({ reason, count }) => `${reason} ${count}`).sort();
    expect(said).toEqual(['DiskFull 5', 'Started 1']);
  });

  it('are new ones after ten minutes of silence, and after the server forgot them', async () => {
    const { clock, server, recorder, events } = lab();
    const web = server.seed(Guest, guest('web'));
    const say = (): void => recorder.record(Guest, web, 'Warning', 'DiskFull', 'free some space');
    say();
    await clock.advance(600_000);
    say();
    await clock.advance(1_000);
    expect(await events()).toHaveLength(2);
    for (const { metadata } of await events()) await server.delete(Event, metadata);
    say();
    await clock.advance(61_000);
    expect((await events()).map(({ count }) => count)).toEqual([2]);
  });

  it('about cluster-scoped objects live in the default namespace', async () => {
    const { clock, server, recorder, events } = lab();
    const kind = { ...Guest, namespaced: false };
    const { namespace: _, ...metadata } = guest('h1').metadata;
    const host = server.seed(kind, { ...guest('h1'), metadata });
    recorder.record(kind, host, 'Normal', 'Online', 'it answers');
    await clock.advance(1_000);
    expect((await events())[0]?.metadata.namespace).toBe('default');
  });

  it('give way to passes, but not for longer than five seconds', async () => {
    const { server, recorder, events, work, clock } = lab();
    const web = server.seed(Guest, guest('web'));
    recorder.record(Guest, web, 'Normal', 'Started', 'it runs');
    await work(3_000);
    expect(await events()).toEqual([]);
    await clock.advance(150);
    expect(await events()).toHaveLength(1);
    recorder.record(Guest, web, 'Normal', 'Stopped', 'it is off');
    await work(4_900);
    expect(await events()).toHaveLength(1);
    await work(300);
    expect(await events()).toHaveLength(2);
  });

  it('wait for a server that is away, but not for ever, and not for one that forbids them', async () => {
    const { clock, server, recorder, events, setFault } = lab();
    const web = server.seed(Guest, guest('web'));
    setFault(new ApiError(0, 'Unreachable', 'x'));
    recorder.record(Guest, web, 'Normal', 'First', '1');
    await clock.advance(1_000);
    setFault(undefined);
    await clock.advance(5_000);
    expect((await events()).map(({ reason }) => reason)).toEqual(['First']);
    setFault(new ApiError(403, 'Forbidden', 'x'));
    recorder.record(Guest, web, 'Normal', 'Second', '2');
    await clock.advance(1_000);
    setFault(undefined);
    recorder.record(Guest, web, 'Normal', 'Third', '3');
    await clock.advance(1_000);
    expect((await events()).map(({ reason }) => reason).sort()).toEqual(['First', 'Third']);
  });

  it('drop the oldest when there are too many, and keep the newest', async () => {
    const { clock, server, recorder, events, setFault } = lab();
    const web = server.seed(Guest, guest('web'));
    setFault(new ApiError(0, 'Unreachable', 'x'));
    for (let number = 0; number < 3_000; number += 1)
      recorder.record(Guest, web, 'Normal', `R${number}`, 'x');
    setFault(undefined);
    await clock.advance(60_000);
    const reasons = (await events()).map(({ reason }) => reason);
    expect(reasons.length).toBeLessThanOrEqual(1_001);
    expect(reasons).toContain('R2999');
  });

  it('are written before an orderly end, within its limit', async () => {
    const { clock, server, recorder, events, setFault } = lab();
    const web = server.seed(Guest, guest('web'));
    recorder.record(Guest, web, 'Normal', 'Stopped', 'x');
    await recorder.flush(1_000);
    expect(await events()).toHaveLength(1);
    setFault(new ApiError(0, 'Unreachable', 'x'));
    recorder.record(Guest, web, 'Normal', 'Late', 'x');
    let flushed = false;
    const flushing = recorder.flush(1_000).then(() => {
      flushed = true;
    });
    await clock.advance(1_000);
    await flushing;
    expect(flushed).toBe(true);
  });
});
