/**
 * Makes GRUB start from a BIOS without `grub-install`, which wants root and a loop device: does by hand what GRUB's `util/setup.c` does.
 * Offsets: GRUB `include/grub/i386/pc/boot.h`.
 */

const sectorBytes = 512;
const kernelSectorOffset = 0x5c;
const driveCheckOffset = 0x66;
const blockListOffset = 0x1f4;
const secondSectorSegment = 0x820;
/** The boot code's room before the partition table. */
const bootCodeBytes = 440;

/** First sector of GRUB's own partition, and how many sectors it has, up to the first MiB. */
export const bootPartition = { startSector: 34, sectors: 2014 };

/** Boot code and core image as they must lie on the disk. Throws when the core image is larger than its partition. */
export function placeBootLoader(
  boot: Uint8Array,
  core: Uint8Array,
): { bootCode: Uint8Array; core: Uint8Array } {
  const sectors = Math.ceil(core.length / sectorBytes);
  if (sectors > bootPartition.sectors) throw new Error(`the core image needs ${sectors} sectors`);
  const bootCode = boot.slice(0, bootCodeBytes);
  view(bootCode).setBigUint64(kernelSectorOffset, BigInt(bootPartition.startSector), true);
  bootCode.set([0x90, 0x90], driveCheckOffset);
  const placed = core.slice();
  const blocks = view(placed);
  blocks.setBigUint64(blockListOffset, BigInt(bootPartition.startSector + 1), true);
  blocks.setUint16(blockListOffset + 8, sectors - 1, true);
  blocks.setUint16(blockListOffset + 10, secondSectorSegment, true);
  return { bootCode, core: placed };
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
