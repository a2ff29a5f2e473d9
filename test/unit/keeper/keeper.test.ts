import { describe, expect, it } from 'vitest';
import { DEFAULT_HA_TIMINGS } from '../../../src/api/haTimings.ts';
import { createHost } from './host.ts';

const { freezeAfter, selfFenceAfter, renewInterval } = DEFAULT_HA_TIMINGS;
/** The keeper looks at its deadline this often. */
const LOOK_MS = 250;

/** A host whose guest `a` is guarded, `b` has no ha; everything is well for ten seconds. */
async function settled() {
  const host = createHost();
  const keeper = await host.start();
  host.guests.set('b', 'Running');
  await host.guest(keeper, 'a');
  await host.clock.advance(10_000);
  return { host, keeper };
}

describe('a keeper whose host is heard', () => {
  it('renews each second, and says by which life and votes it guards what', async () => {
    const { host } = await settled();
    const [before, last] = host.written.slice(-2);
    expect(last).toMatchObject({ bootID: 'boot-1', term: 1, votesVersion: 1, armed: false });
    expect(last?.guarded).toEqual(['uid-a@1']);
    expect((last?.sentAt ?? 0) - (before?.sentAt ?? 0)).toBe(renewInterval);
    expect(last?.acknowledgedAt).toBe(before?.sentAt);
  });

  it.each([true, false])('says whether its host may be paused from outside: %s', async (pausable) => {
    const host = createHost();
    const keeper = await host.start('boot-1', pausable);
    await host.guest(keeper, 'a');
    await host.clock.advance(3_000);
    expect(new Set(host.written.map((statement) => statement.pausable))).toEqual(new Set([pausable]));
  });

  it('lets a guest be guarded only when an acknowledged Lease lists it, and does not wait for the next second', async () => {
    const { host, keeper } = await settled();
    host.world.isApiAway = true;
    let life: unknown;
    void keeper.guard('uid-c@1', 'c').then((given) => {
      life = given;
    });
    await host.clock.advance(1_500);
    expect(life).toBeUndefined();
    host.world.isApiAway = false;
    await host.clock.advance(2_000);
    expect(life).toEqual({ bootID: 'boot-1', term: 1 });
    const begun = host.clock.monotonic();
    await host.guest(keeper, 'd');
    expect(host.clock.monotonic() - begun).toBeLessThan(renewInterval / 2);
  });

  it('lets a guest go only when no Lease lists it', async () => {
    const { host, keeper } = await settled();
    host.world.isApiAway = true;
    void keeper.release('uid-a@1');
    await host.clock.advance(1_000);
    expect(keeper.state().guarded).toEqual([['uid-a@1', 'a']]);
    host.world.isApiAway = false;
    await host.clock.advance(2_000);
    expect(keeper.state().guarded).toEqual([]);
    expect(host.lease()?.guarded).toEqual([]);
  });

  it('goes on after an answer that was lost: what stands there is read first', async () => {
    const { host, keeper } = await settled();
    host.world.losesAnswers = true;
    await host.clock.advance(2_500);
    host.world.losesAnswers = false;
    await host.clock.advance(2_000);
    expect(keeper.state().isOpen).toBe(true);
    expect(host.happened).toEqual([]);
  });
});

describe('a keeper that nobody hears', () => {
  it('takes the groups of programs away with the kill: none of that term is started after it', async () => {
    const { host } = await settled();
    expect([...host.rooms]).toEqual([['a', 1]]);
    host.world.isApiAway = true;
    await host.clock.advance(30_000);
    expect([...host.rooms]).toEqual([]);
  });

  it('freezes, then kills what it guards and nothing else, and begins another term', async () => {
    const { host, keeper } = await settled();
    const lastSent = host.written.at(-1)?.sentAt ?? 0;
    host.world.isApiAway = true;
    await host.clock.advance(30_000);
    const [frozen] = host.when('freeze a', lastSent);
    const [killed] = host.when('kill a', lastSent);
    expect(frozen).toBeGreaterThanOrEqual(freezeAfter);
    expect(frozen).toBeLessThanOrEqual(freezeAfter + LOOK_MS);
    expect(killed).toBeGreaterThanOrEqual(selfFenceAfter);
    expect(killed).toBeLessThanOrEqual(selfFenceAfter + LOOK_MS);
    expect(host.guests.get('b')).toBe('Running');
    expect(keeper.state()).toMatchObject({ isOpen: false, guarded: [], life: { term: 2 } });
    expect(host.happened).toHaveLength(2);
  });

  it('opens its gate again only after a renewal of the new term is acknowledged', async () => {
    const { host, keeper } = await settled();
    host.world.isApiAway = true;
    await host.clock.advance(20_000);
    host.world.isApiAway = false;
    await host.clock.advance(2_000);
    expect(host.lease()).toMatchObject({ term: 2, guarded: [] });
    expect(keeper.state().isOpen).toBe(true);
    expect(await host.guest(keeper, 'a', 2)).toEqual({ bootID: 'boot-1', term: 2 });
  });

  it('thaws when it is heard again in time', async () => {
    const { host, keeper } = await settled();
    host.world.isApiAway = true;
    await host.clock.advance(8_000);
    expect(host.guests.get('a')).toBe('Frozen');
    expect(keeper.state().isOpen).toBe(false);
    host.world.isApiAway = false;
    await host.clock.advance(1_500);
    expect(host.guests.get('a')).toBe('Running');
    expect(keeper.state()).toMatchObject({ isOpen: true, life: { term: 1 } });
  });

  it('does not thaw while an incident is open for its life: it kills', async () => {
    const { host, keeper } = await settled();
    host.world.isApiAway = true;
    await host.clock.advance(8_000);
    host.world.incident = { bootID: 'boot-1', term: 1 };
    host.world.isApiAway = false;
    await host.clock.advance(1_500);
    expect(host.guests.get('a')).toBe('Dead');
    expect(keeper.state().life).toEqual({ bootID: 'boot-1', term: 2 });
  });

  it('takes another term before it opens its gate when an incident was opened, though it guarded nothing', async () => {
    const host = createHost();
    const keeper = await host.start();
    await host.clock.advance(10_000);
    host.world.isApiAway = true;
    await host.clock.advance(8_000);
    host.world.incident = { bootID: 'boot-1', term: 1 };
    host.world.isApiAway = false;
    const opened: unknown[] = [];
    keeper.listen(() => keeper.state().isOpen && opened.push(keeper.state().life));
    await host.clock.advance(3_000);
    expect(opened[0]).toEqual({ bootID: 'boot-1', term: 2 });
    expect(keeper.state().selfFencedAt).toBeUndefined();
    expect(host.happened).toEqual([]);
  });

  it('reads the incident first when it is begun anew in the same boot and has lost its memory', async () => {
    const host = createHost();
    const before = await host.start();
    await host.clock.advance(10_000);
    before.end();
    host.forget();
    host.world.incident = { bootID: 'boot-1', term: 1 };
    await host.clock.advance(8_000);
    const keeper = await host.start();
    const opened: unknown[] = [];
    keeper.listen(() => keeper.state().isOpen && opened.push(keeper.state().life));
    await host.clock.advance(3_000);
    expect(opened[0]).toEqual({ bootID: 'boot-1', term: 2 });
  });

  it('opens its gate again in the same term when it guarded nothing and no incident was opened', async () => {
    const host = createHost();
    const keeper = await host.start();
    await host.clock.advance(10_000);
    host.world.isApiAway = true;
    await host.clock.advance(8_000);
    host.world.isApiAway = false;
    await host.clock.advance(3_000);
    expect(keeper.state()).toMatchObject({ isOpen: true, life: { term: 1 } });
  });

  it('thaws though an incident of an earlier life is still written there', async () => {
    const { host } = await settled();
    host.world.incident = { bootID: 'boot-0', term: 1 };
    host.world.isApiAway = true;
    await host.clock.advance(8_000);
    host.world.isApiAway = false;
    await host.clock.advance(1_500);
    expect(host.guests.get('a')).toBe('Running');
  });

  it('does not renew before everything is dead', async () => {
    const { host, keeper } = await settled();
    host.world.failedKills = 15;
    host.world.isApiAway = true;
    await host.clock.advance(selfFenceAfter + LOOK_MS);
    host.world.isApiAway = false;
    const renewals = host.written.length;
    await host.clock.advance(1_000);
    expect(host.written.length).toBe(renewals);
    expect(host.guests.get('a')).not.toBe('Dead');
    await host.clock.advance(2_000);
    expect(host.guests.get('a')).toBe('Dead');
    expect(host.lease()?.term).toBe(2);
    expect(keeper.state().isOpen).toBe(true);
  });
});

describe('an outage of the API alone', () => {
  it('stops nothing, for an hour, as long as voters that are as old hold half of the votes', async () => {
    const { host, keeper } = await settled();
    host.world.isApiAway = true;
    const since = host.clock.monotonic();
    for (let second = 0; second < 3_600; second += 10) {
      const age = host.clock.monotonic() - since;
      host.world.peers = new Map([
        ['h2', age],
        ['h3', age],
      ]);
      await host.clock.advance(10_000);
    }
    expect(host.guests.get('a')).toBe('Running');
    expect(host.happened).toEqual([]);
    host.world.isApiAway = false;
    await host.clock.advance(2_000);
    expect(keeper.state()).toMatchObject({ isOpen: true, life: { term: 1 } });
  }, 30_000);

  it('is told apart from a cut of this host: peers that renew excuse nobody, but they hear it', async () => {
    const { host, keeper } = await settled();
    host.world.peers = new Map([
      ['h2', 300],
      ['h3', 700],
    ]);
    host.world.isApiAway = true;
    await host.clock.advance(selfFenceAfter + 1_000);
    expect(host.guests.get('a')).toBe('Dead');
    expect(host.when('freeze a', 0)).toEqual([]);
    host.world.isApiAway = false;
    await host.clock.advance(2_000);
    expect(keeper.state().life?.term).toBe(2);
  });

  it('must hold by both tables of votes while one follows the other', async () => {
    const { host } = await settled();
    host.world.losesAnswers = true;
    host.world.table = { version: 2, votes: { h1: 1, h2: 1 } };
    await host.clock.advance(6_000);
    host.world.isApiAway = true;
    const since = host.clock.monotonic();
    for (let second = 0; second < 30; second += 1) {
      // Half of the two votes of the later table, but not half of the three of the one that was acknowledged.
      host.world.peers = new Map([['h2', 500]]);
      await host.clock.advance(1_000);
    }
    expect(host.when('kill a', since - 10_000)).toHaveLength(1);
  });
});

describe('a host that has guarded nothing', () => {
  it('may be unheard for as long as it likes: what is guarded then is not due at once', async () => {
    const host = createHost();
    const keeper = await host.start();
    await host.clock.advance(10_000);
    host.world.isApiAway = true;
    await host.clock.advance(60_000);
    host.guests.set('a', 'Running');
    let life: unknown;
    void keeper.guard('uid-a@1', 'a').then((given) => {
      life = given;
    });
    host.world.isApiAway = false;
    await host.clock.advance(2_000);
    expect(life).toEqual({ bootID: 'boot-1', term: 1 });
    expect(host.guests.get('a')).toBe('Running');
  });

  it('answers for what a renewal lists from its sending on, acknowledged or not', async () => {
    const host = createHost();
    const keeper = await host.start();
    await host.clock.advance(60_000);
    host.world.losesAnswers = true;
    host.guests.set('a', 'Running');
    keeper.guard('uid-a@1', 'a').catch(() => undefined);
    await host.clock.advance(500);
    const sentAt = host.written.at(-1)?.sentAt ?? 0;
    expect(host.lease()?.guarded).toEqual(['uid-a@1']);
    host.world.isApiAway = true;
    await host.clock.advance(15_000);
    expect(host.when('kill a', sentAt)[0]).toBeLessThanOrEqual(selfFenceAfter + LOOK_MS);
    expect(host.when('kill a', sentAt)[0]).toBeGreaterThanOrEqual(selfFenceAfter - LOOK_MS);
  });

  it('kills nothing when high availability was off for a while', async () => {
    const { host, keeper } = await settled();
    await keeper.forget();
    expect(host.lease()?.guarded).toEqual([]);
    keeper.end();
    await host.clock.advance(3_600_000);
    const next = await host.start();
    const life = host.guest(next, 'a');
    await host.clock.advance(5_000);
    expect(await life).toEqual({ bootID: 'boot-1', term: 1 });
    expect(host.guests.get('a')).toBe('Running');
  });
});

describe('peers that ask', () => {
  it('are told the age of the last acknowledged renewal, and named in the Lease', async () => {
    const { host, keeper } = await settled();
    expect(keeper.answer('h2')).toBeLessThanOrEqual(renewInterval);
    await host.clock.advance(1_000);
    expect(host.lease()?.hears).toEqual(['h2']);
    await host.clock.advance(4_000);
    expect(host.lease()?.hears).toEqual([]);
  });

  it('are told nothing by a keeper without history', async () => {
    const host = createHost();
    const keeper = await host.start();
    await host.clock.advance(2_000);
    expect(keeper.answer('h2')).toBeUndefined();
  });
});

describe('a keeper that ends and is started again', () => {
  it('goes on in the same term, with the same deadline', async () => {
    const { host, keeper } = await settled();
    const lastSent = host.written.at(-1)?.sentAt ?? 0;
    host.world.isApiAway = true;
    await host.clock.advance(3_000);
    keeper.end();
    await host.clock.advance(4_000);
    const next = await host.start();
    expect(next.state()).toMatchObject({ life: { term: 1 }, guarded: [['uid-a@1', 'a']] });
    await host.clock.advance(10_000);
    expect(host.when('kill a', lastSent)[0]).toBeLessThanOrEqual(selfFenceAfter + LOOK_MS);
  });

  it('kills at once when its deadline has passed meanwhile, and does not renew before', async () => {
    const { host, keeper } = await settled();
    keeper.end();
    await host.clock.advance(20_000);
    const renewals = host.written.length;
    await host.start();
    await host.clock.advance(LOOK_MS);
    expect(host.guests.get('a')).toBe('Dead');
    expect(host.written.slice(renewals).every(({ term }) => term === 2)).toBe(true);
  });

  it('takes up what its Lease says when its memory is lost', async () => {
    const { host, keeper } = await settled();
    keeper.end();
    host.forget();
    const next = await host.start();
    await host.clock.advance(1_500);
    expect(next.state()).toMatchObject({ life: { term: 1 }, guarded: [['uid-a@1', 'a']] });
    expect(host.guests.get('a')).toBe('Running');
  });

  it('begins another term after a boot, with nothing to guard', async () => {
    const { host, keeper } = await settled();
    keeper.end();
    const next = await host.start('boot-2');
    await host.clock.advance(1_500);
    expect(next.state()).toMatchObject({ life: { bootID: 'boot-2', term: 2 }, guarded: [] });
    expect(host.lease()).toMatchObject({ bootID: 'boot-2', term: 2, guarded: [] });
  });

  it('follows what was there before a boot, also when the first answer is lost', async () => {
    const { host, keeper } = await settled();
    keeper.end();
    host.world.isApiAway = true;
    const next = await host.start('boot-2');
    host.world.losesAnswers = true;
    host.world.isApiAway = false;
    await host.clock.advance(1_500);
    host.world.losesAnswers = false;
    await host.clock.advance(2_000);
    expect(next.state()).toMatchObject({ isOpen: true, life: { bootID: 'boot-2', term: 2 } });
  });

  it('yields to another machine of its name, and so ends its guests', async () => {
    const { host } = await settled();
    host.foreign({ bootID: 'boot-of-another', term: 2 });
    await host.clock.advance(selfFenceAfter + 2_000);
    expect(host.guests.get('a')).toBe('Dead');
    expect(host.lease()?.bootID).toBe('boot-of-another');
  });
});

describe('clocks', () => {
  it('of the wall may say anything', async () => {
    const { host, keeper } = await settled();
    host.clock.setWall(0);
    await host.clock.advance(5_000);
    host.clock.setWall(Date.UTC(2040, 0, 1));
    await host.clock.advance(5_000);
    expect(host.happened).toEqual([]);
    expect(keeper.state().isOpen).toBe(true);
  });

  it('go on while the host is suspended: it kills before it renews', async () => {
    const { host } = await settled();
    const renewals = host.written.length;
    host.suspend(60_000);
    await host.clock.advance(2_000);
    expect(host.guests.get('a')).toBe('Dead');
    expect(host.written.slice(renewals).map(({ term }) => term)).not.toContain(1);
  });

  it('make no difference to a pause shorter than the deadline', async () => {
    const { host, keeper } = await settled();
    host.suspend(selfFenceAfter - 2_000);
    await host.clock.advance(2_000);
    expect(host.guests.get('a')).toBe('Running');
    expect(keeper.state()).toMatchObject({ isOpen: true, life: { term: 1 } });
  });

  it('shorter times hold as soon as they are stated', async () => {
    const { host } = await settled();
    host.world.timings = { ...DEFAULT_HA_TIMINGS, selfFenceAfter: 20_000, selfFenceWait: 24_000 };
    await host.clock.advance(10_000);
    host.world.timings = DEFAULT_HA_TIMINGS;
    host.world.losesAnswers = true;
    await host.clock.advance(6_000);
    host.world.isApiAway = true;
    await host.clock.advance(12_000);
    expect(host.guests.get('a')).toBe('Dead');
  });
});
