/** Sums that are taken by threads while files grow: they are of all that was written, or there is none. */
import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SumGrowing } from '../../../src/base/sums.ts';
import { growingSums } from '../../../src/main/world/growingSums.ts';

let root: string;
let sumOf: SumGrowing;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vireo-sums-'));
  // As it is built: threads of this Node take no TypeScript.
  const script = join(root, 'summer.mjs');
  await build({ entryPoints: ['src/main/summer.ts'], outfile: script, format: 'esm', platform: 'node' });
  sumOf = growingSums(script);
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('the sum of a file that grows', () => {
  it('is of all of it, begun before there was a file, and so is that of the next', async () => {
    for (const name of ['first', 'second']) {
      const file = join(root, name);
      const sum = sumOf(file);
      const whole = createHash('sha256');
      const parts = [3, 2 ** 20, 2 ** 20 + 7, 1].map((bytes, index) => Buffer.alloc(bytes, name + index));
      for (const part of parts) {
        await appendFile(file, part);
        whole.update(part);
      }
      const bytes = 3 + 2 ** 20 + (2 ** 20 + 7) + 1;
      expect(await sum.end()).toEqual({ sha256: whole.digest('hex'), bytes });
      // It has been told: this ends nobody's work.
      sum.drop();
    }
  });

  it('is of its own file while others are taken', async () => {
    const names = ['left', 'right'];
    const sums = names.map((name) => sumOf(join(root, name)));
    for (const name of names) await appendFile(join(root, name), name);
    const told = await Promise.all(sums.map((sum) => sum.end()));
    const expected = names.map((name) => createHash('sha256').update(name).digest('hex'));
    expect(told.map(({ sha256 }) => sha256)).toEqual(expected);
  });

  it('is not told of what cannot be read', async () => {
    await expect(sumOf(root).end()).rejects.toThrow('EISDIR');
  });

  it('is not told any more once nobody wants it', async () => {
    const sum = sumOf(join(root, 'other'));
    sum.drop();
    await expect(sum.end()).rejects.toThrow('given up');
  });
});
