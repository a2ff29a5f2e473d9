import { mkdtemp, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SEARCH_PATH } from '../../../../src/base/processes.ts';
import { directMapping } from '../../../../src/drivers/hypervisor/lxc/idmap.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

describe('id maps that LXC writes itself', () => {
  let lxcPath: string;
  beforeEach(async () => {
    lxcPath = join(await mkdtemp(join(tmpdir(), 'vireo-idmap-')), 'lxc');
  });
  afterEach(() => rm(join(lxcPath, '..'), { recursive: true }));

  it('come from a PATH whose first newuidmap and newgidmap have no rights, as often as it is made', async () => {
    const { files } = realWorld();
    const first = await directMapping(files, lxcPath);
    expect(await directMapping(files, lxcPath)).toEqual(first);
    const [directory, ...others] = first.PATH.split(':');
    expect(others.join(':')).toBe(SEARCH_PATH);
    for (const program of ['newuidmap', 'newgidmap'])
      expect(await readlink(join(directory ?? '', program))).toBe('/bin/false');
  });
});
