/**
 * A guest of 116 bytes whose memory is really there: it writes 895 MiB once, then says `R` on its serial line, and from then on changes 128
 * pages at each tick of its timer (18 a second). It stays in real mode, with a segment of 4 GiB that it takes from protected mode first.
 */
const program = [
  'fa 31c0 8ed8', // cli; xor ax,ax; mov ds,ax
  '0f01165e7c 0f20c0 0c01 0f22c0', // lgdt [0x7c5e]; into protected mode
  'bb0800 8ec3 24fe 0f22c0 31db 8ec3', // es: 4 GiB from 0 on; back to real mode
  'fb fc 66bf00001000', // sti; cld; mov edi,0x100000
  '6689f8 66b900040000 6766f3ab', // page: mov eax,edi; mov ecx,1024; rep stosd
  '6681ff00000038 72ea', // cmp edi,0x38000000; jb page
  'baf803 b052 ee', // serial line: 'R'
  'f4 66bf00001000 b98000', // tick: hlt; mov edi,0x100000; mov cx,128
  '266766ff07 6681c700100000 e2f2', // next: inc dword [es:edi]; add edi,4096; loop next
  'ebe6', // jmp tick
  '0f00 647c0000', // gdtr: 16 bytes at 0x7c64
  '0000000000000000 ffff00000092cf00', // gdt: null; data, base 0, 4 GiB
]
  .join('')
  .replaceAll(' ', '');

/** What is in memory when it is ready, bytes. */
export const FILLED_BYTES = 895 * 2 ** 20;

/** The first sector of a disk that boots into it. */
export function fillerSector(): Buffer {
  const sector = Buffer.alloc(512);
  Buffer.from(program, 'hex').copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}
