import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import type { InformerChange } from '../../../src/client/contract.ts';
import { ApiError } from '../../../src/client/contract.ts';
import { createInformers } from '../../../src/client/informers.ts';
import type { MemoryRequest } from '../../../src/client/memory.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { createFakeClock } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';
import { Guest, guest } from './guests.ts';

const web = { namespace: 'lab', name: 'web' };

function lab(intercept?: (request: MemoryRequest) => void) {
  const clock = createFakeClock();
  const user = createMemoryClient({ clock });
  const client = createMemoryClient({
    clock,
    server: user,
    ...(intercept === undefined ? {} : { intercept }),
  });
  const informers = createInformers(client, { clock, random: seededRandom(), log: silentLog });
  const stop = new AbortController();
  const reads = (verb: string): number => user.log.filter((request) => request.verb === verb).length;
  return { clock, user, informers, stop, reads, start: () => informers.start(stop.signal) };
}

/** What the handler heard, as short lines. */
function story(changes: InformerChange<Guest>[]): string[] {
  return changes.map(({ before, after, key }) => {
    if (before === undefined) return `+ ${key}`;
    return after === undefined ? `- ${key}` : `${key} ${before.spec.cores} -> ${after.spec.cores}`;
  });
}

function hear(informers: ReturnType<typeof lab>['informers'], options = {}) {
  const changes: InformerChange<Guest>[] = [];
  const informer = informers.informer(Guest, options);
  informer.onChange((change) => changes.push(change));
  return { informer, changes };
}

describe('an informer', () => {
  it('holds what there is and tells what changes, in order', async () => {
    const { clock, user, informers, start } = lab();
    user.seed(Guest, guest('old'));
    const { informer, changes } = hear(informers);
    expect(informer.hasSynced()).toBe(false);
    start();
    await informers.synced();
    await user.create(Guest, guest('web'));
    await user.mergePatch(Guest, web, { spec: { cores: 4 } });
    await user.delete(Guest, web);
    await clock.advance(0);
    expect(story(changes)).toEqual(['+ lab/old', '+ lab/web', 'lab/web 1 -> 4', '- lab/web']);
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['old']);
  });

  it('tells a late listener what is there already', async () => {
    const { clock, user, informers, start } = lab();
    user.seed(Guest, guest('web'));
    start();
    informers.informer(Guest);
    await clock.advance(0);
    expect(story(hear(informers).changes)).toEqual(['+ lab/web']);
  });

  it('hands out objects that nobody can change', async () => {
    const { clock, user, informers, start } = lab();
    user.seed(Guest, guest('web', { status: { addresses: ['10.0.0.2'] } }));
    const { informer } = hear(informers);
    start();
    await clock.advance(0);
    const found = informer.get('lab/web');
    expect(() => found?.status?.addresses?.push('10.0.0.3')).toThrow(TypeError);
  });

  it('does not keep managed fields', async () => {
    const { clock, user, informers, start } = lab();
    const metadata = { labels: {}, managedFields: [{ manager: 'kubectl' }] };
    user.seed(Guest, guest('web', { metadata }));
    const { informer } = hear(informers);
    start();
    await clock.advance(0);
    expect(informer.get('lab/web')?.metadata).not.toHaveProperty('managedFields');
  });

  it('calls a re-created object a removal and an addition, even when it was away meanwhile', async () => {
    let down = false;
    const { clock, user, informers, start } = lab(({ verb }) => {
      if (down) throw new ApiError(0, 'Unreachable', `no ${verb}`);
    });
    user.seed(Guest, guest('web'));
    const { changes } = hear(informers);
    start();
    await clock.advance(0);
    down = true;
    user.disconnect();
    await user.delete(Guest, web);
    await user.create(Guest, guest('web'));
    user.compact();
    down = false;
    await clock.advance(60_000);
    expect(story(changes)).toEqual(['+ lab/web', '- lab/web', '+ lab/web']);
    expect(changes[2]?.after?.metadata.uid).not.toBe(changes[0]?.after?.metadata.uid);
  });

  it('finds objects by an index, also after they moved', async () => {
    const { clock, user, informers, start } = lab();
    user.seed(Guest, guest('a', { status: { host: 'h1' } }));
    user.seed(Guest, guest('b', { status: { host: 'h1' } }));
    const byHost = (object: Guest): string[] =>
      object.status?.host === undefined ? [] : [object.status.host];
    const informer = informers.informer(Guest, { indexes: { host: byHost } });
    start();
    await clock.advance(0);
    await user.mergePatch(
      Guest,
      { namespace: 'lab', name: 'b' },
      { status: { host: 'h2' } },
      { subresource: 'status' },
    );
    await clock.advance(0);
    const on = (host: string): string[] =>
      informer.byIndex('host', host).map(({ metadata }) => metadata.name);
    expect([on('h1'), on('h2'), on('h3')]).toEqual([['a'], ['b'], []]);
    expect(() => informer.byIndex('pool', 'x')).toThrow('no index pool');
    expect(() => informers.informer(Guest, { indexes: { host: () => [] } })).toThrow(
      'two indexes are called host',
    );
  });

  it('sees only its selection, and an object that leaves it as gone', async () => {
    const { clock, user, informers, start } = lab();
    user.seed(Guest, guest('mine', { status: { host: 'h1' } }));
    user.seed(Guest, guest('other', { status: { host: 'h2' } }));
    const { changes } = hear(informers, { fieldSelector: 'status.host=h1' });
    start();
    await clock.advance(0);
    const ref = { namespace: 'lab', name: 'mine' };
    await user.mergePatch(Guest, ref, { status: { host: 'h2' } }, { subresource: 'status' });
    await clock.advance(0);
    expect(story(changes)).toEqual(['+ lab/mine', '- lab/mine']);
  });

  it('is shared by all who ask for the same selection', async () => {
    const { informers, clock, start, reads } = lab();
    expect(informers.informer(Guest)).toBe(informers.informer(Guest));
    expect(informers.informer(Guest)).not.toBe(informers.informer(Guest, { namespace: 'lab' }));
    start();
    await clock.advance(0);
    expect(reads('list')).toBe(2);
  });

  it('lets one failing listener not disturb the others', async () => {
    const { clock, user, informers, start } = lab();
    informers.informer(Guest).onChange(() => {
      throw new Error('clumsy');
    });
    const { changes } = hear(informers);
    start();
    await user.create(Guest, guest('web'));
    await clock.advance(0);
    expect(story(changes)).toEqual(['+ lab/web']);
  });
});

describe('keeping up with the server', () => {
  it('lists in pages of 500', async () => {
    const { clock, user, informers, start, reads } = lab();
    for (let index = 0; index < 1_001; index += 1) user.seed(Guest, guest(`g${index}`));
    const { informer } = hear(informers);
    start();
    await clock.advance(0);
    expect(informer.list()).toHaveLength(1_001);
    expect(reads('list')).toBe(3);
  });

  it('goes on watching where it was when the server restarts, without a new list', async () => {
    const { clock, user, informers, start, reads } = lab();
    const { changes } = hear(informers);
    start();
    await clock.advance(60_000);
    user.disconnect();
    await user.create(Guest, guest('web'));
    await clock.advance(0);
    expect(story(changes)).toEqual(['+ lab/web']);
    expect(reads('list')).toBe(1);
  });

  it('remembers the version of a bookmark, so that a quiet kind survives compaction', async () => {
    const { clock, user, informers, start, reads } = lab();
    hear(informers);
    start();
    await clock.advance(60_000);
    await user.create({ ...Guest, plural: 'others' }, guest('noise'));
    user.bookmark();
    await clock.advance(0);
    user.compact();
    user.disconnect();
    await clock.advance(1_000);
    expect(reads('list')).toBe(1);
  });

  it('lists again when its version is too old, and tells the difference only', async () => {
    let isDown = false;
    const { clock, user, informers, start, reads } = lab(() => {
      if (isDown) throw new ApiError(0, 'Down', 'nobody answers');
    });
    user.seed(Guest, guest('stays'));
    user.seed(Guest, guest('goes'));
    const { changes } = hear(informers);
    start();
    await clock.advance(60_000);
    changes.length = 0;
    isDown = true;
    user.disconnect();
    await user.delete(Guest, { namespace: 'lab', name: 'goes' });
    await user.create(Guest, guest('comes'));
    user.compact();
    isDown = false;
    await clock.advance(60_000);
    expect(story(changes)).toEqual(['- lab/goes', '+ lab/comes']);
    expect(reads('list')).toBe(2);
  });

  it('never gives up, asks more rarely, and waits as long as the server says', async () => {
    let answer: ApiError | undefined = new ApiError(0, 'Unreachable', 'no route to host');
    const { clock, user, informers, start, reads } = lab(() => {
      if (answer !== undefined) throw answer;
    });
    const { informer } = hear(informers);
    start();
    await clock.advance(3_600_000);
    const asked = reads('list');
    expect(asked).toBeGreaterThan(360);
    expect(asked).toBeLessThan(730);
    answer = new ApiError(429, 'TooManyRequests', 'slow down', { retryAfterMs: 60_000 });
    await clock.advance(60_000);
    const before = reads('list');
    await clock.advance(59_000);
    expect(reads('list') - before).toBeLessThanOrEqual(1);
    answer = undefined;
    user.seed(Guest, guest('web'));
    await clock.advance(120_000);
    expect(informer.list()).toHaveLength(1);
  });

  it('does not hammer a server that ends every watch at once', async () => {
    const { clock, user, informers, start, reads } = lab(({ verb }) => {
      if (verb === 'watch') throw new ApiError(410, 'Expired', 'too old');
    });
    hear(informers);
    start();
    await clock.advance(60_000);
    expect(user.log.length).toBeLessThan(40);
    expect(reads('list')).toBeGreaterThan(5);
  });

  it('asks for everything when a restored server knows nothing of the future it saw', async () => {
    const { clock, user, informers, start } = lab(({ verb }) => {
      if (verb === 'watch') throw new ApiError(504, 'Timeout', 'Too large resource version');
    });
    const { informer } = hear(informers);
    start();
    await clock.advance(0);
    user.seed(Guest, guest('restored'));
    await clock.advance(60_000);
    expect(informer.list()).toHaveLength(1);
  });

  it('ends with its signal, leaving no timer behind', async () => {
    const { clock, informers, start, stop } = lab();
    hear(informers);
    start();
    await clock.advance(1_000);
    stop.abort(new Error('enough'));
    await clock.advance(0);
    expect(clock.pending()).toBe(0);
    await expect(informers.synced(stop.signal)).rejects.toThrow('enough');
  });
});
