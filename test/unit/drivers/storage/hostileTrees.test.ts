/** Archives of containers that were written to do harm, with sums that are right: nothing outside of the volume that is made from one changes. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import type { StoragePool } from '../../../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const { signal } = new AbortController();
const world = { ...realWorld(), log: silentLog };
const owner = { guestUuid: 'uuid-new', guest: 'new', disk: 'rootfs' };
const tree = { id: 'g1-rootfs', owner, kind: 'Filesystem', format: 'raw' } as const;

let root: string;
let pool: StoragePool;
const must = async (argv: string[]): Promise<string> => {
  const { code, stdout, stderr } = await world.processes.run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return stdout;
};

/** An archive of a container with a file `etc/motd`, whose part is then packed anew by tar with these arguments. */
async function archivePackedBy(...tar: string[]): Promise<void> {
  const source = join(root, 'source');
  await mkdir(join(source, 'etc'), { recursive: true });
  await writeFile(join(source, 'etc', 'motd'), 'hello');
  const attachment = { type: 'Directory', path: source, shift: 'Idmapped' } as const;
  await pool.archives.filling.begin('backup-1');
  await pool.archives.filling.save('backup-1', { name: 'rootfs', attachment }, 'None', signal);
  const manifest = await pool.archives.filling.finish(
    'backup-1',
    {
      guest: { kind: 'Container', namespace: 'default', name: 'web', uid: 'uid-1', uuid: 'uuid-1' },
      ...{ labels: {}, spec: {}, takenAt: '2026-01-01T00:00:00Z', mode: 'Stop', consistency: 'Filesystem' },
      ...{ stillMilliseconds: 0, compression: 'None' },
    },
    signal,
  );
  const place = join(root, 'pool', 'archives', 'backup-1');
  const part = join(place, 'rootfs.tar');
  await must(['tar', '--format=posix', '--create', '--file', part, ...tar]);
  const [sha256 = ''] = (await must(['sha256sum', part])).split(' ');
  const storedBytes = (await stat(part)).size;
  const parts = manifest.parts.map((each) => ({ ...each, sha256, storedBytes }));
  await writeFile(join(place, 'manifest.json'), JSON.stringify({ ...manifest, parts }));
}

async function restore(): Promise<string[]> {
  const archived = await pool.archives.open('backup-1', 'rootfs', signal);
  await pool.create({ ...tree, archived }, signal);
  const made = await pool.attach(tree.id);
  return (await must(['find', made.path, '-mindepth', '1', '-printf', '%P\\n'])).split('\n').filter(Boolean);
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vireo-hostile-'));
  pool = await openDirectoryPool({
    world,
    config: { type: 'Directory', name: 'local', path: join(root, 'pool') },
  });
  await mkdir(join(root, 'evil'));
  await writeFile(join(root, 'evil', 'file'), 'harm');
  await writeFile(join(root, 'victim'), 'safe');
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('a container root from an archive', () => {
  it('holds inside of it what has the name of a file of the host', async () => {
    await archivePackedBy('-P', `--transform=s,^file$,${root}/victim,`, '-C', join(root, 'evil'), 'file');
    expect((await restore()).filter((path) => path.endsWith('victim'))).toHaveLength(1);
    expect(await readFile(join(root, 'victim'), 'utf8')).toBe('safe');
  });

  it.each([
    ['climbs out of it', '../../../../victim'],
    ['writes through a link of its own', 'way/victim'],
  ])('is not made from one that %s, and nothing of it is left', async (_how, name) => {
    await symlink(root, join(root, 'evil', 'way'));
    await archivePackedBy('-P', '-C', join(root, 'evil'), 'way', `--transform=s,^file$,${name},`, 'file');
    await expect(restore()).rejects.toMatchObject({ reason: 'StorageFailed' });
    expect(await readFile(join(root, 'victim'), 'utf8')).toBe('safe');
    expect(await pool.list()).toEqual([]);
    expect(await readdir(join(root, 'pool', '.partial'))).toEqual([]);
  });
});
