/** Which programs and files each kind of image needs, and the Debian package that has them: read by the host check and by the build itself. */
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import type { ImageSource } from './contract.ts';

/** A program looked up in PATH, or a file that must exist. */
export type Tool = { program: string; package: string };

const packages: Readonly<Record<string, string>> = {
  'apt-get': 'apt',
  'apt-cache': 'apt',
  'dpkg-deb': 'dpkg',
  busybox: 'busybox-static',
  'grub-mkimage': 'grub-common',
  'mkfs.vfat': 'dosfstools',
  mcopy: 'mtools',
  mmd: 'mtools',
  sfdisk: 'fdisk',
  'qemu-img': 'qemu-utils',
  zstd: 'zstd',
  debootstrap: 'debootstrap',
  syslinux: 'syslinux',
  '/usr/lib/SYSLINUX/gptmbr.bin': 'syslinux',
  '/usr/lib/grub/x86_64-efi/fat.mod': 'grub-efi-amd64-bin',
};

const needs: Readonly<Record<ImageSource['type'], readonly string[]>> = {
  Path: ['qemu-img'],
  DemoDisk: [
    'apt-get',
    'apt-cache',
    'dpkg-deb',
    'busybox',
    'grub-mkimage',
    'mkfs.vfat',
    'mcopy',
    'mmd',
    'sfdisk',
    'qemu-img',
    'syslinux',
    '/usr/lib/SYSLINUX/gptmbr.bin',
    '/usr/lib/grub/x86_64-efi/fat.mod',
  ],
  BusyboxRootfs: ['busybox'],
  Debootstrap: ['debootstrap'],
};

/** The tools that are not there for this source. */
export async function missingTools(world: World, source: ImageSource): Promise<Tool[]> {
  const wanted = [...needs[source.type]];
  if (source.type === 'Path' && source.path.endsWith('.zst')) wanted.push('zstd');
  const found = await Promise.all(wanted.map((name) => find(world, name)));
  return wanted.filter((_, index) => found[index] === undefined).map(toolNamed);
}

/** The full path of a program; throws ReasonedError ToolMissing with the package to install. */
export async function requireProgram(world: World, name: string): Promise<string> {
  const path = await find(world, name);
  if (path === undefined) throw toolsMissing([toolNamed(name)]);
  return path;
}

/** The error for missing tools; stalled, because only installing them helps. */
export function toolsMissing(tools: readonly Tool[]): ReasonedError {
  const names = tools.map((tool) => tool.program).join(', ');
  const install = [...new Set(tools.map((tool) => tool.package))].join(' ');
  return new ReasonedError('ToolMissing', `missing on this host: ${names}; run: apt-get install ${install}`, {
    stalled: true,
  });
}

function toolNamed(name: string): Tool {
  return { program: name, package: packages[name] ?? name };
}

async function find(world: World, name: string): Promise<string | undefined> {
  if (!name.startsWith('/')) return world.processes.which(name);
  return (await world.files.stat(name)) === undefined ? undefined : name;
}
