/**
 * A guest of 53 bytes for tests with a real QEMU: it writes `R` to its serial line, powers off when its power button is pressed or when it
 * is sent `p`, and sleeps in between. Ports: 0x3f8 serial line, 0x600 ACPI PM1 status, 0x602 enable, 0x604 control (SeaBIOS puts them there).
 */
const program = [
  '31c0 8ed8', // xor ax,ax; mov ds,ax
  'ba0206 b80001 ef', // PM1 enable: the power button sets its status bit
  'baf803 b052 ee', // serial line: 'R'
  'fb f4', // again: wait for the timer's interrupt
  'ba0006 ed f6c401 7510', // PM1 status, power button: go to off
  'bafd03 ec a801 74ed', // nothing received: go to again
  'baf803 ec 3c70 75e5', // not 'p': go to again
  'ba0406 b80020 ef', // off: PM1 control, sleep type S5 and sleep enable
  'ebdc', // go to again
]
  .join('')
  .replaceAll(' ', '');

/** A raw disk image that boots into it; `sizeBytes` is a multiple of 512. */
export function bootableDisk(sizeBytes: number): Uint8Array {
  const disk = Buffer.alloc(sizeBytes);
  Buffer.from(program, 'hex').copy(disk);
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

/** Of a guest that changes memory: one word in each page from the first MiB up to here. */
export const busyEnd = 0x3000_0000;

/** In protected mode, with flat segments: every page is touched, over and over, faster than any network sends them. */
const busyProgram = [
  'fa 31c0 8ed8', // no interrupts, data segment 0
  'baf803 b052 ee', // serial line: 'R'
  '0f0116587c 0f20c0 0c01 0f22c0', // descriptor table, protected mode on
  '66ea207c00000800', // on to 32-bit code
  '66b81000 8ed8', // data segment of 4 GiB
  'bf00001000', // again: from the first MiB on
  'ff07 81c700100000', // next: one more in this page, on to the next page
  '81ff[end] 72f0 ebe9', // below the end: go to next; go to again
  '8d7600', // alignment
  '0000000000000000 ffff0000009acf00 ffff00000092cf00', // descriptors: none, code, data
  '1700407c0000', // where they are
]
  .join('')
  .replaceAll(' ', '');

/** A raw disk image that boots into it; `sizeBytes` is a multiple of 512. */
export function busyDisk(sizeBytes: number, end = busyEnd): Uint8Array {
  const disk = Buffer.alloc(sizeBytes);
  const last = Buffer.alloc(4);
  last.writeUInt32LE(end);
  Buffer.from(busyProgram.replace('[end]', last.toString('hex')), 'hex').copy(disk);
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

/** Each time the timer ticks it writes a sector, 64 KiB behind the one before, and says on its serial line whether the disk took it. */
const writingProgram = [
  '31c0 8ed8 8ec0 fc', // all segments 0
  'fb f4', // again: wait for the timer's interrupt
  'be007d b80043 b280 cd13', // INT 13h, extended write to the first disk
  'b02e 7302 b045', // '.', or 'E' where it failed
  'baf803 ee', // serial line
  '8106087d8000', // 128 sectors on, of 65,536
  'ebe2', // go to again
]
  .join('')
  .replaceAll(' ', '');

/** What is written where: 16 bytes, one sector, from 0x7e00, from the 65,536th sector on. */
const writingPacket = '1000 0100 007e 0000 0000010000000000'.replaceAll(' ', '');

/** A raw disk image of 64 MiB that boots into it, and is no hole anywhere. */
export function writingDisk(): Uint8Array {
  const disk = Buffer.alloc(64 * 1024 ** 2, 7);
  Buffer.from(writingProgram, 'hex').copy(disk);
  Buffer.from(writingPacket, 'hex').copy(disk, 0x100);
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}
