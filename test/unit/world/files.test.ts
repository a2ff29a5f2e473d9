import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { realFiles } from '../../../src/main/world/files.ts';
import { realRandom } from '../../../src/main/world/random.ts';

const files = realFiles(realRandom());
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vireo-files-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the file system', () => {
  it('reads back what was written atomically, and leaves nothing beside it', async () => {
    const path = join(folder, 'record.json');
    await files.writeAtomic(path, '{"epoch":1}', { mode: 0o600 });
    await files.writeAtomic(path, '{"epoch":2}', { mode: 0o640 });
    expect(await files.readText(path)).toBe('{"epoch":2}');
    expect((await files.stat(path))?.mode).toBe(0o640);
    expect(await files.list(folder)).toEqual(['record.json']);
  });

  it('keeps the old file and no leftovers when an atomic write fails', async () => {
    await files.makeDirectory(join(folder, 'taken'));
    await files.writeAtomic(join(folder, 'taken', 'inside'), 'x');
    await expect(files.writeAtomic(join(folder, 'taken'), 'y')).rejects.toThrow();
    expect(await files.list(folder)).toEqual(['taken']);
  });

  it('says nothing is there instead of throwing', async () => {
    const path = join(folder, 'no', 'such');
    expect(await files.readText(path)).toBeUndefined();
    expect(await files.readBytes(path)).toBeUndefined();
    expect(await files.stat(path)).toBeUndefined();
    expect(await files.list(path)).toEqual([]);
    expect(await files.readLink(path)).toBeUndefined();
    expect(await files.realPath(path)).toBeUndefined();
    await files.remove(path);
    await files.removeTree(path);
  });

  it('throws for what is there but cannot be read as asked', async () => {
    await expect(files.readText(folder)).rejects.toMatchObject({ code: 'EISDIR' });
  });

  it('writes in place only into files that exist', async () => {
    const path = join(folder, 'cgroup.freeze');
    await expect(files.writeInPlace(path, '1')).rejects.toMatchObject({ code: 'ENOENT' });
    await writeFile(path, 'a longer text');
    await files.writeInPlace(path, '1');
    expect(await files.readText(path)).toBe('1');
  });

  it('makes directories with parents, again without complaint, and with the asked mode', async () => {
    const path = join(folder, 'a', 'b', 'c');
    await files.makeDirectory(path, { mode: 0o700 });
    await files.makeDirectory(path, { mode: 0o755 });
    expect(await files.stat(path)).toMatchObject({ kind: 'Directory', mode: 0o700 });
    await writeFile(join(folder, 'plain'), '');
    await expect(files.makeDirectory(join(folder, 'plain'))).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it('knows sparse files, symbolic links and directories apart', async () => {
    const path = join(folder, 'disk.raw');
    await files.writeAtomic(path, 'data');
    await files.symlink('disk.raw', join(folder, 'link'));
    expect(await files.stat(path)).toMatchObject({ kind: 'File', sizeBytes: 4 });
    expect((await files.stat(join(folder, 'link')))?.kind).toBe('Symlink');
    expect(await files.readLink(join(folder, 'link'))).toBe('disk.raw');
    expect(await files.realPath(join(folder, 'link'))).toBe(await files.realPath(path));
  });

  it('renames, copies, and refuses to remove a directory that is not empty', async () => {
    await files.makeDirectory(join(folder, 'trash'));
    await files.writeAtomic(join(folder, 'one'), '1');
    await files.copy(join(folder, 'one'), join(folder, 'two'));
    await files.rename(join(folder, 'one'), join(folder, 'trash', 'one'));
    expect(await files.list(folder)).toEqual(['trash', 'two']);
    await expect(files.remove(join(folder, 'trash'))).rejects.toMatchObject({ code: 'ENOTEMPTY' });
    await files.removeTree(join(folder, 'trash'));
    expect(await files.list(folder)).toEqual(['two']);
  });

  it('tells the space of a file system', async () => {
    const { totalBytes, freeBytes } = await files.space(folder);
    expect(totalBytes).toBeGreaterThan(0);
    expect(freeBytes).toBeLessThanOrEqual(totalBytes);
  });
});
