/** What the builder takes, what it refuses and what it leaves behind; the tools of the distribution are real where they are quick. */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import type { World } from '../../../../src/base/world.ts';
import { createImageBuilder } from '../../../../src/drivers/image/builder.ts';
import type { ImageSource } from '../../../../src/drivers/image/contract.ts';
import { judgeDisk } from '../../../../src/drivers/image/inspect.ts';
import { moduleDependencies } from '../../../../src/drivers/image/kernel.ts';
import { kernelPackages } from '../../../../src/drivers/image/packages.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const MIB = 1024 * 1024;
const world: World = { ...realWorld(), log: silentLog };
const { signal } = new AbortController();

/** A world whose programs answer from a table: the key is how the command begins. */
function answering(answers: Readonly<Record<string, string>>): World {
  const run: World['processes']['run'] = async (argv) => {
    const key = Object.keys(answers).find((start) => argv.join(' ').startsWith(start));
    const found = key === undefined ? undefined : answers[key];
    return { code: found === undefined ? 100 : 0, stdout: found ?? '', stderr: '', timedOut: false };
  };
  return { ...world, processes: { ...world.processes, run } };
}

describe('an image from a file of the host', () => {
  let place: string;
  let output: string;
  beforeEach(async () => {
    place = await mkdtemp(join(tmpdir(), 'vireo-builder-'));
    output = join(place, 'out');
    await mkdir(output);
  });
  afterEach(() => rm(place, { recursive: true, force: true }));

  const run = async (...argv: string[]) => expect(await world.processes.run(argv)).toMatchObject({ code: 0 });
  const build = (path: string, kind: 'Disk' | 'ContainerRootfs') =>
    createImageBuilder({ world, cacheDirectory: join(place, 'cache') }).build(
      { type: 'Path', path: join(place, path) },
      { directory: output, kind, signal, progress: () => {} },
    );
  const refusal = (path: string, kind: 'Disk' | 'ContainerRootfs') =>
    build(path, kind).then(
      () => 'taken',
      (error: { reason?: string }) => error.reason,
    );

  it('takes qcow2 and raw disks as they are', async () => {
    await run('qemu-img', 'create', '-q', '-f', 'qcow2', join(place, 'a.qcow2'), '1M');
    await writeFile(join(place, 'a.img'), Buffer.alloc(MIB));
    for (const name of ['a.qcow2', 'a.img']) {
      const built = await build(name, 'Disk');
      expect(built.kind).toBe('Disk');
      expect(await readdir(output)).toEqual([built.file.slice(output.length + 1)]);
    }
  });

  it('follows a link to the file, and copies the file', async () => {
    await writeFile(join(place, 'a.img'), Buffer.alloc(MIB));
    await symlink(join(place, 'a.img'), join(place, 'link.img'));
    const built = await build('link.img', 'Disk');
    expect(await world.files.stat(built.file)).toMatchObject({ kind: 'File', sizeBytes: MIB });
  });

  it('refuses disks that read other files, are cut off, of another format or empty, and leaves nothing of them', async () => {
    await writeFile(join(place, 'secret'), Buffer.alloc(MIB));
    const create = (name: string, ...options: string[]) =>
      run('qemu-img', 'create', '-q', '-f', 'qcow2', ...options, join(place, name), '1M');
    await create('backed', '-b', join(place, 'secret'), '-F', 'raw');
    await create('external', '-o', `data_file=${join(place, 'data')},data_file_raw=on`);
    await create('cut');
    await run('truncate', '-s', '1000', join(place, 'cut'));
    await run('qemu-img', 'create', '-q', '-f', 'vmdk', join(place, 'other'), '1M');
    await writeFile(join(place, 'empty'), '');
    for (const name of ['backed', 'external', 'cut', 'other', 'empty']) {
      expect([name, await refusal(name, 'Disk')]).toEqual([name, 'ImageBroken']);
    }
    expect(await readdir(output)).toEqual([]);
  });

  it('takes archives with an init, packed or not, and refuses others', async () => {
    await mkdir(join(place, 'root', 'sbin'), { recursive: true });
    await writeFile(join(place, 'root', 'sbin', 'init'), '');
    await writeFile(join(place, 'text.tar'), 'no archive');
    await run('tar', '-C', join(place, 'root'), '-cf', join(place, 'good.tar'), '.');
    await run('tar', '-C', join(place, 'root'), '-czf', join(place, 'good.tar.gz'), '.');
    await run('tar', '-C', join(place, 'root'), '--zstd', '-cf', join(place, 'good.tar.zst'), '.');
    await run('tar', '-C', join(place, 'root', 'sbin'), '-cf', join(place, 'noinit.tar'), '.');
    for (const name of ['good.tar', 'good.tar.gz', 'good.tar.zst']) {
      expect(await build(name, 'ContainerRootfs')).toMatchObject({ kind: 'ContainerRootfs' });
    }
    for (const name of ['text.tar', 'noinit.tar', 'root']) {
      expect([name, await refusal(name, 'ContainerRootfs')]).toEqual([name, 'ImageBroken']);
    }
  });

  it('waits for a file that is not there', async () => {
    expect(await refusal('absent.qcow2', 'Disk')).toBe('SourceMissing');
  });
});

describe('an image that is made', () => {
  it('names what is missing with the package that has it', async () => {
    const bare = { ...world, processes: { ...world.processes, which: async () => undefined } };
    const builder = createImageBuilder({ world: bare, cacheDirectory: '/nowhere' });
    expect(await builder.missing({ type: 'BusyboxRootfs' })).toEqual([
      { program: 'busybox', package: 'busybox-static' },
    ]);
    const missing = await builder.missing({ type: 'DemoDisk' });
    expect(missing).toContainEqual({ program: 'sfdisk', package: 'fdisk' });
    const options = { directory: '/nowhere', kind: 'Disk' as const, signal, progress: () => {} };
    await expect(builder.build({ type: 'DemoDisk' }, options)).rejects.toMatchObject({
      reason: 'ToolMissing',
      stalled: true,
    });
  });

  it('is of the kind its source makes', async () => {
    const builder = createImageBuilder({ world, cacheDirectory: '/nowhere' });
    const options = { directory: '/nowhere', kind: 'ContainerRootfs' as const, signal, progress: () => {} };
    await expect(builder.build({ type: 'DemoDisk' }, options)).rejects.toMatchObject({
      reason: 'ImageBroken',
    });
  });

  it('lets no option of debootstrap in through names', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'vireo-debootstrap-'));
    const builder = createImageBuilder({
      world: { ...world, processes: { ...world.processes, which: async (name) => name } },
      cacheDirectory: directory,
    });
    const sources: ImageSource[] = [
      { type: 'Debootstrap', suite: '--foreign', packages: [] },
      { type: 'Debootstrap', suite: 'bookworm', packages: ['--include'] },
      { type: 'Debootstrap', suite: 'bookworm', packages: ['a,b'] },
      { type: 'Debootstrap', suite: 'bookworm', mirror: '/etc', packages: [] },
    ];
    for (const source of sources) {
      const build = builder.build(source, { directory, kind: 'ContainerRootfs', signal, progress: () => {} });
      await expect(build).rejects.toMatchObject({ reason: 'BuildFailed', stalled: true });
    }
    await rm(directory, { recursive: true });
  });
});

describe('the kernel of the demo disk', () => {
  it('is the one that the cloud metapackage of Debian stands for', async () => {
    const apt = answering({
      'apt-cache depends --important linux-image-cloud-amd64':
        'linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-9-cloud-amd64\n',
      'apt-cache depends --important linux-image-6.1.0-9-cloud-amd64':
        '  Depends: kmod\n |Depends: linux-initramfs-tool\n',
    });
    expect(await kernelPackages(apt, signal)).toEqual(['linux-image-6.1.0-9-cloud-amd64']);
  });

  it('comes with its modules where the distribution ships them apart, as Ubuntu does', async () => {
    const apt = answering({
      'apt-cache depends --important linux-image-virtual': '  Depends: linux-image-6.8.0-45-generic\n',
      'apt-cache depends --important linux-image-6.8.0-45-generic':
        '  Depends: kmod\n  Depends: linux-modules-6.8.0-45-generic\n',
    });
    expect(await kernelPackages(apt, signal)).toEqual([
      'linux-image-6.8.0-45-generic',
      'linux-modules-6.8.0-45-generic',
    ]);
  });

  it('is asked for again after apt-get update when apt knows none', async () => {
    await expect(kernelPackages(answering({}), signal)).rejects.toMatchObject({
      reason: 'SourceMissing',
      message: expect.stringContaining('apt-get update'),
    });
  });

  it('loads modules after those they name in their own information', () => {
    const text = (words: string) => Buffer.from(`\0license=GPL\0depends=${words}\0retpoline=Y\0`);
    expect(moduleDependencies(text('virtio,virtio_ring'))).toEqual(['virtio', 'virtio_ring']);
    expect(moduleDependencies(text(''))).toEqual([]);
    expect(moduleDependencies(Buffer.from('nothing'))).toEqual([]);
  });
});

describe('the judgement on a disk', () => {
  it('refuses an encrypted one', () => {
    const info = {
      format: 'qcow2',
      'virtual-size': MIB,
      'format-specific': { data: { encrypt: { format: 'luks' } } },
    };
    expect(() => judgeDisk('disk', info)).toThrow(/encrypted/);
  });
});
