/** The demo disk: the distribution's own kernel with a busybox first root on a disk that starts by BIOS and by UEFI. No root, no loop device. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { bootPartition, placeBootLoader } from './boot-sector.ts';
import { runOrFail } from './command.ts';
import { writeCpio } from './cpio.ts';
import { directory, type Entry, file } from './entries.ts';
import { machineInit } from './init.ts';
import { collectKernel, type Kernel } from './kernel.ts';
import { downloadPackages, kernelPackages } from './packages.ts';
import { userland } from './userland.ts';

const diskBytes = 64 * 1024 * 1024;
const systemPartitionSector = 2048;
const systemPartitionKib = (diskBytes - 2 * systemPartitionSector * 512) / 1024;

/** GPT type ids: BIOS boot partition (GRUB manual, "BIOS installation") and EFI system partition (UEFI 2.10, 5.3.3). */
const partitionTable = `label: gpt
first-lba: ${bootPartition.startSector}
start=${bootPartition.startSector}, size=${bootPartition.sectors}, type=21686148-6449-6E6F-744E-656564454649
start=${systemPartitionSector}, size=${systemPartitionKib * 2}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
`;

/** `cryptomgr.notests` leaves out 0.3 s of self-tests of ciphers that this guest does not use. */
const kernelOptions = 'console=tty0 console=ttyS0,115200 quiet panic=10 cryptomgr.notests';

/**
 * On a BIOS the kernel is started the 16-bit way: the 32-bit one puts it where unpacking it in place takes QEMU's emulator two
 * seconds longer.
 */
const bootLoaders = [
  { format: 'i386-pc', output: 'core.img', suffix: '16', modules: ['biosdisk', 'linux16'] },
  { format: 'x86_64-efi', output: 'BOOTX64.EFI', suffix: '', modules: ['linux'] },
];
const sharedModules = ['part_gpt', 'fat', 'search', 'search_fs_file', 'normal', 'minicmd'];

function bootScript(suffix: string): string {
  return `search --no-floppy --file /vireo.id --set=root
linux${suffix} /vmlinuz ${kernelOptions}
initrd${suffix} /first-root.gz
boot
`;
}

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
    ...kernel.modules.map((module) => file(`lib/modules/${module.name}.ko`, module.content)),
    file('lib/modules/order', kernel.modules.map((module) => `${module.name}.ko\n`).join('')),
    file('init', machineInit(service), 0o755),
  ];
}

async function writeDisk(world: World, kernelImage: string, options: DemoDiskOptions): Promise<void> {
  const { workDirectory, signal } = options;
  const disk = `${workDirectory}/disk.raw`;
  const system = `${disk}@@${systemPartitionSector * 512}`;
  const run = (argv: readonly string[], input?: string) =>
    runOrFail(world, argv, input === undefined ? { signal } : { signal, input });
  await makeBootLoader(world, options);
  await run(['truncate', '-s', String(diskBytes), disk]);
  await run(['sfdisk', '-q', disk], partitionTable);
  await run([
    'mkfs.vfat',
    `--offset=${systemPartitionSector}`,
    '-n',
    'VIREO',
    disk,
    String(systemPartitionKib),
  ]);
  await run(['mmd', '-i', system, '::EFI', '::EFI/BOOT']);
  await run(['mcopy', '-i', system, `${workDirectory}/BOOTX64.EFI`, '::EFI/BOOT/BOOTX64.EFI']);
  await run(['mcopy', '-i', system, kernelImage, '::vmlinuz']);
  await run(['mcopy', '-i', system, `${workDirectory}/first-root.gz`, `${workDirectory}/vireo.id`, '::']);
  await run(['dd', `if=${workDirectory}/boot.bin`, `of=${disk}`, 'conv=notrunc', 'status=none']);
  await run([
    'dd',
    `if=${workDirectory}/core.bin`,
    `of=${disk}`,
    'bs=512',
    `seek=${bootPartition.startSector}`,
    'conv=notrunc',
    'status=none',
  ]);
}

async function makeBootLoader(world: World, options: DemoDiskOptions): Promise<void> {
  const { workDirectory, signal } = options;
  for (const loader of bootLoaders) {
    const script = `${workDirectory}/${loader.format}.cfg`;
    await world.files.writeAtomic(script, bootScript(loader.suffix));
    await runOrFail(
      world,
      [
        ...['grub-mkimage', '-O', loader.format, '-o', `${workDirectory}/${loader.output}`, '-p', '/boot'],
        ...['-c', script, ...sharedModules, ...loader.modules],
      ],
      { signal },
    );
  }
  const boot = await world.files.readBytes('/usr/lib/grub/i386-pc/boot.img');
  const core = await world.files.readBytes(`${workDirectory}/core.img`);
  if (boot === undefined || core === undefined)
    throw new ReasonedError('BuildFailed', 'GRUB made no core image');
  const placed = placeBootLoader(boot, core);
  await world.files.writeAtomic(`${workDirectory}/boot.bin`, placed.bootCode);
  await world.files.writeAtomic(`${workDirectory}/core.bin`, placed.core);
}
