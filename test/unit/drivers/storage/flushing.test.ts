/** A file that is flushed while it grows: what a flush has failed with is not forgotten. */
import { describe, expect, it } from 'vitest';
import { flushWhile } from '../../../../src/drivers/storage/directory/flushing.ts';
import { createFakeClock } from '../../../world/fakeClock.ts';

const PATH = '/pool/disk';

function disk(sync: () => Promise<void>) {
  const clock = createFakeClock();
  let flushes = 0;
  const files = {
    stat: async () => ({
      kind: 'File' as const,
      sizeBytes: 1,
      usedBytes: 1,
      mode: 0o600,
      uid: 0,
      gid: 0,
      modifiedMs: 0,
    }),
    sync: () => {
      flushes += 1;
      return sync();
    },
  };
  return { clock, files, flushes: () => flushes };
}

describe('a file that grows', () => {
  it('is flushed meanwhile, and not once it is whole', async () => {
    const { clock, files, flushes } = disk(async () => undefined);
    const done = await flushWhile({ files, clock }, PATH, async () => {
      await clock.advance(2_000);
      return 'whole';
    });
    expect(done).toBe('whole');
    const until = flushes();
    expect(until).toBeGreaterThan(2);
    await clock.advance(10_000);
    expect(flushes()).toBe(until);
  });

  it('is not whole when the disk refused a part of it, though the disk says so only once', async () => {
    const { clock, files } = disk(() => Promise.reject(new Error('EIO')));
    const work = flushWhile({ files, clock }, PATH, () => clock.advance(2_000));
    await expect(work).rejects.toThrow('EIO');
  });

  it('fails with what its writer says, which is more', async () => {
    const { clock, files } = disk(() => Promise.reject(new Error('EIO')));
    const work = flushWhile({ files, clock }, PATH, async () => {
      await clock.advance(2_000);
      throw new Error('No space left on device');
    });
    await expect(work).rejects.toThrow('No space left on device');
  });
});
