/** Archives written byte by byte, read back by the tools that guests and hosts use. */
import { mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeCpio } from '../../../../src/drivers/image/cpio.ts';
import { directory, type Entry, file } from '../../../../src/drivers/image/entries.ts';
import { writeTar } from '../../../../src/drivers/image/tar.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const { processes } = realWorld();
const entries: Entry[] = [
  directory('etc'),
  directory('tmp', 0o1777),
  file('etc/name', 'odd length'),
  file('etc/empty', ''),
  file('init', '#!/bin/sh\n', 0o755),
  { kind: 'Symlink', path: 'bin', target: 'usr/bin' },
  { kind: 'Link', path: 'etc/second', to: 'etc/name' },
];
const device: Entry = { kind: 'CharDevice', path: 'console', mode: 0o600, major: 5, minor: 1 };

describe('an archive', () => {
  let place: string;
  beforeEach(async () => {
    place = await mkdtemp(join(tmpdir(), 'vireo-archive-'));
  });
  afterEach(() => rm(place, { recursive: true, force: true }));

  const check = async () => {
    expect(await readFile(join(place, 'etc', 'name'), 'utf8')).toBe('odd length');
    expect((await stat(join(place, 'etc', 'empty'))).size).toBe(0);
    expect((await stat(join(place, 'init'))).mode & 0o7777).toBe(0o755);
    expect((await stat(join(place, 'tmp'))).mode & 0o7777).toBe(0o1777);
    expect(await readlink(join(place, 'bin'))).toBe('usr/bin');
  };

  it('in tar format is read by GNU tar, devices and root as owner included', async () => {
    const path = join(place, 'a.tar');
    await writeFile(path, writeTar([...entries, device]));
    const listed = await processes.run(['tar', '--numeric-owner', '-tvf', path]);
    expect(listed.code).toBe(0);
    expect(listed.stdout).toMatch(/^crw------- 0\/0 +5,1 .* console$/m);
    const unpacked = await processes.run([
      'tar',
      '--no-same-owner',
      '-p',
      '-xf',
      path,
      '-C',
      place,
      '--exclude=console',
    ]);
    expect(unpacked).toMatchObject({ code: 0, stderr: '' });
    await check();
    const [name, second] = [await stat(join(place, 'etc', 'name')), await stat(join(place, 'etc', 'second'))];
    expect(second.ino).toBe(name.ino);
  });

  it('in cpio format is read by cpio', async () => {
    const input = writeCpio(entries);
    const unpacked = await processes.run(['cpio', '-idm', '--quiet', '--no-preserve-owner'], {
      input,
      cwd: place,
    });
    expect(unpacked).toMatchObject({ code: 0, stderr: '' });
    await check();
    expect(await readlink(join(place, 'etc', 'second'))).toBe('/etc/name');
    const listed = await processes.run(['cpio', '-itv', '--quiet'], { input: writeCpio([device]) });
    expect(listed.stdout).toMatch(/^crw------- .* 5, +1 .* console$/m);
  });

  it('is the same for the same content', () => {
    expect(Buffer.from(writeCpio(entries)).equals(Buffer.from(writeCpio(entries)))).toBe(true);
    expect(Buffer.from(writeTar(entries)).equals(Buffer.from(writeTar(entries)))).toBe(true);
  });

  it('refuses a name that tar cannot hold', () => {
    expect(() => writeTar([file('x'.repeat(101), '')])).toThrow(/longer than 100 bytes/);
  });
});
