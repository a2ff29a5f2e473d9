/** The demo disk: the distribution's own kernel with a busybox first root on a disk that starts by BIOS and by UEFI. No root, no loop device. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { World } from '../../base/world.ts';
import { runOrFail } from './command.ts';
import { writeCpio } from './cpio.ts';
import { directory, type Entry, file } from './entries.ts';
import { machineInit } from './init.ts';
import { collectKernel, type Kernel, type KernelModule } from './kernel.ts';
import { downloadPackages, kernelPackages } from './packages.ts';
import { userland } from './userland.ts';

const diskBytes = 64 * 1024 * 1024;
/** The only partition, an EFI system partition (UEFI 2.10, 5.3.3), lies between the two copies of the table. */
const systemSector = 2048;
const systemKib = (diskBytes - 2 * systemSector * 512) / 1024;

/** SYSLINUX's boot code starts the partition that has this attribute (UEFI 2.10, 5.3.3, bit 2). */
const partitionTable = `label: gpt
start=${systemSector}, size=${systemKib * 2}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, attrs=LegacyBIOSBootable
`;
const biosBootCode = '/usr/lib/SYSLINUX/gptmbr.bin';

/** Without self-tests of ciphers that this guest does not use, and without rewriting the kernel's locks for one processor: 0.3 s each under emulation. */
const kernelOptions = 'console=tty0 console=ttyS0,115200 quiet panic=10 cryptomgr.notests noreplace-smp';

/** On a BIOS, where GRUB reads the same kernel two seconds slower under emulation. */
const syslinuxConfig = `DEFAULT vireo
PROMPT 0
LABEL vireo
  LINUX /vmlinuz
  INITRD /first-root.gz
  APPEND ${kernelOptions}
`;

const efiModules = ['part_gpt', 'fat', 'search', 'search_fs_file', 'normal', 'minicmd', 'linux'];
const efiConfig = `search --no-floppy --file /vireo.id --set=root
linux /vmlinuz ${kernelOptions}
initrd /first-root.gz
boot
`;

export type DemoDiskOptions = {
  /** Everything made on the way; the caller removes it. */
  workDirectory: string;
  /** Where the finished qcow2 goes. */
  output: string;
  cacheDirectory: string;
  /** Shell text the guest runs beside its consoles. */
  service?: string;
  signal: AbortSignal;
  progress(text: string): void;
};

/** Makes the disk at `output`. */
export async function buildDemoDisk(world: World, options: DemoDiskOptions): Promise<void> {
  const { workDirectory, signal } = options;
  const kernel = await unpackKernel(world, options);
  options.progress('building the first root');
  const entries = await firstRoot(world, kernel, options);
  await world.files.writeAtomic(
    `${workDirectory}/first-root.gz`,
    await promisify(gzip)(writeCpio(entries), { level: 6 }),
  );
  await world.files.writeAtomic(`${workDirectory}/vireo.id`, 'vireo\n');
  options.progress('assembling the disk');
  await writeDisk(world, kernel.image, options);
  await runOrFail(
    world,
    ['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', `${workDirectory}/disk.raw`, options.output],
    { signal },
  );
}

async function unpackKernel(world: World, options: DemoDiskOptions): Promise<Kernel> {
  const { signal, workDirectory } = options;
  const packages = await downloadPackages(world, await kernelPackages(world, signal), options);
  options.progress('unpacking the kernel');
  for (const path of packages) {
    await runOrFail(world, ['dpkg-deb', '-x', path, `${workDirectory}/kernel`], { signal });
  }
  return collectKernel(world, `${workDirectory}/kernel`, signal);
}

async function firstRoot(
  world: World,
  kernel: Kernel,
  { service, signal }: Pick<DemoDiskOptions, 'service' | 'signal'>,
): Promise<Entry[]> {
  return [
    ...(await userland(world, { issue: 'Vireo demo machine. Type poweroff to end it.', signal })),
    { kind: 'CharDevice', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    directory('lib/modules'),
    ...[...kernel.modules, ...kernel.others].map(({ name, content }) =>
      file(`lib/modules/${name}.ko`, content),
    ),
    file('lib/modules/first', inOrder(kernel.modules)),
    file('lib/modules/others', inOrder(kernel.others)),
    file('init', machineInit(service), 0o755),
  ];
}

/** What `/init` reads line by line. */
function inOrder(modules: readonly KernelModule[]): string {
  return modules.map(({ name }) => `${name}.ko\n`).join('');
}

async function writeDisk(world: World, kernelImage: string, options: DemoDiskOptions): Promise<void> {
  const { workDirectory, signal } = options;
  const disk = `${workDirectory}/disk.raw`;
  const system = `${disk}@@${systemSector * 512}`;
  const run = (argv: readonly string[], input?: string) =>
    runOrFail(world, argv, input === undefined ? { signal } : { signal, input });
  await world.files.writeAtomic(`${workDirectory}/syslinux.cfg`, syslinuxConfig);
  await makeEfiLoader(world, options);
  await run(['truncate', '-s', String(diskBytes), disk]);
  await run(['sfdisk', '-q', disk], partitionTable);
  await run(['mkfs.vfat', `--offset=${systemSector}`, '-n', 'VIREO', disk, String(systemKib)]);
  await run(['mmd', '-i', system, '::EFI', '::EFI/BOOT']);
  await run(['mcopy', '-i', system, `${workDirectory}/BOOTX64.EFI`, '::EFI/BOOT/BOOTX64.EFI']);
  await run(['mcopy', '-i', system, kernelImage, '::vmlinuz']);
  const others = ['first-root.gz', 'vireo.id', 'syslinux.cfg'].map((name) => `${workDirectory}/${name}`);
  await run(['mcopy', '-i', system, ...others, '::']);
  await run(['syslinux', '--install', '--offset', String(systemSector * 512), disk]);
  await run(['dd', `if=${biosBootCode}`, `of=${disk}`, 'conv=notrunc', 'status=none']);
}

async function makeEfiLoader(world: World, { workDirectory, signal }: DemoDiskOptions): Promise<void> {
  const config = `${workDirectory}/efi.cfg`;
  await world.files.writeAtomic(config, efiConfig);
  const output = `${workDirectory}/BOOTX64.EFI`;
  const argv = ['grub-mkimage', '-O', 'x86_64-efi', '-o', output, '-p', '/boot', '-c', config, ...efiModules];
  await runOrFail(world, argv, { signal });
}
