/** A host that goes down in order: its life ends before anybody says so, and nothing later in the same boot goes on in it. */
import { describe, expect, it } from 'vitest';
import { createHost } from './host.ts';

const LIFE = { bootID: 'boot-1', term: 1 };
const NEXT = { bootID: 'boot-1', term: 2 };

async function renewing() {
  const host = createHost();
  const keeper = await host.start();
  await host.clock.advance(5_000);
  return { host, keeper };
}

describe('a keeper that retires', () => {
  it('renews no more and guards nothing, though it lives on', async () => {
    const { host, keeper } = await renewing();
    expect(await keeper.retire()).toEqual(LIFE);
    const written = host.written.length;
    await expect(keeper.guard('uid-a@1', 'a')).rejects.toThrow();
    await host.clock.advance(30_000);
    expect(host.written.length).toBe(written);
    expect(keeper.state().isOpen).toBe(false);
  });

  it('leaves the next keeper of the boot another term', async () => {
    const { host, keeper } = await renewing();
    await keeper.retire();
    keeper.end();
    const next = await host.start();
    await host.clock.advance(3_000);
    expect(next.state().life).toEqual(NEXT);
    expect(host.lease()).toMatchObject(NEXT);
    expect(await host.guest(next, 'a')).toEqual(NEXT);
  });

  it('does not while a guest is guarded: that life goes on', async () => {
    const { host, keeper } = await renewing();
    await host.guest(keeper, 'a');
    await expect(keeper.retire()).rejects.toThrow('not over');
    await host.clock.advance(3_000);
    expect(keeper.state()).toMatchObject({ life: LIFE, isOpen: true });
    await Promise.all([keeper.release('uid-a@1'), host.clock.advance(2_000)]);
    expect(await keeper.retire()).toEqual(LIFE);
  });

  it('does not speak for a life that nobody has heard of', async () => {
    const host = createHost();
    host.world.isApiAway = true;
    const keeper = await host.start();
    await host.clock.advance(5_000);
    await expect(keeper.retire()).rejects.toThrow('not over');
  });
});
