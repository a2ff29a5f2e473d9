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
