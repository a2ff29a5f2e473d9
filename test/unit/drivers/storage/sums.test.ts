/** Sums of parts of archives, taken while they are written: one that is not of the whole part is never told. */

import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileSum } from '../../../../src/base/sums.ts';
import { createPartSums } from '../../../../src/drivers/storage/directory/archives/sums.ts';
import { createTools } from '../../../../src/drivers/storage/directory/tools.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const { signal } = new AbortController();
const world = realWorld();
const tools = createTools(world, 'local');
const SAID = 'a'.repeat(64);
let root: string;
const part = () => join(root, 'rootfs.tar');
const real = async () =>
  createHash('sha256')
    .update(await readFile(part()))
    .digest('hex');

/** Threads that say what they are told to, and whether they were dropped. */
function threads(end: () => Promise<FileSum>) {
  const said = { begun: 0, dropped: 0 };
  const sumGrowing = () => {
    said.begun += 1;
    const drop = () => {
      said.dropped += 1;
    };
    return { end, drop };
  };
  return { said, sums: createPartSums(world.files, sumGrowing) };
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vireo-part-sums-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('the sum of a part', () => {
  it('is the one that was taken meanwhile when it is of all of it', async () => {
    const { sums } = threads(async () => ({ sha256: SAID, bytes: 5 }));
    await sums.begin(part());
    await writeFile(part(), 'whole');
    expect(await sums.end(tools, part(), signal)).toBe(SAID);
  });

  it.each([
    ['is of less', async () => ({ sha256: SAID, bytes: 4 })],
    ['is of more', async () => ({ sha256: SAID, bytes: 6 })],
    ['could not be had', () => Promise.reject(new Error('no memory'))],
  ])('is taken anew when the one that was taken meanwhile %s', async (_, end) => {
    const { sums, said } = threads(end);
    await sums.begin(part());
    await writeFile(part(), 'whole');
    expect(await sums.end(tools, part(), signal)).toBe(await real());
    expect(said.dropped).toBe(1);
  });

  it('is of what is written last, not of what an earlier attempt had begun', async () => {
    const { sums, said } = threads(async () => ({ sha256: SAID, bytes: 5 }));
    await sums.begin(part());
    await writeFile(part(), 'first');
    await sums.begin(part());
    expect(said).toEqual({ begun: 2, dropped: 1 });
    await expect(readFile(part())).rejects.toThrow('ENOENT');
  });

  it('keeps nobody waiting who has cancelled its backup', async () => {
    const cancelled = new AbortController();
    let giveUp = (_: Error) => {};
    const end = () => new Promise<FileSum>((_, reject) => (giveUp = reject));
    const drop = () => giveUp(new Error('given up'));
    const sums = createPartSums(world.files, () => ({ end, drop }));
    await sums.begin(part());
    const told = sums.end(tools, part(), cancelled.signal);
    cancelled.abort(new Error('the Backup is deleted'));
    await expect(told).rejects.toThrow('the Backup is deleted');
  });

  it('is followed by nobody once its archive is forgotten', async () => {
    const { sums, said } = threads(async () => ({ sha256: SAID, bytes: 5 }));
    await sums.begin(part());
    sums.forget(join(root, 'other'));
    expect(said.dropped).toBe(0);
    sums.forget(root);
    expect(said.dropped).toBe(1);
  });
});
