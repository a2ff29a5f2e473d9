# Whether a virtualization engine really runs guest code: a kernel of a few hundred bytes that enters 64-bit mode, counts down from twenty
# million and tells QEMU's isa-debug-exit device (exit code 85). An engine that interprets every instruction is not done in two seconds.
# Flat image with a multiboot header that carries its addresses (Multiboot 0.6.96, section 3.1.3), loaded at 1 MiB.
# Rebuild: gcc -m32 -c probe.S && ld -m elf_i386 -Ttext 0x100000 --oformat binary probe.o -o probe.bin && base64 -w0 probe.bin

.set magic, 0x1badb002
.set flags, 1 << 16
.set tables, 0x200000                   # one page each: level 4, level 3, level 2

.code32
.text
.globl _start
image:
header: .long magic, flags, -(magic + flags)
        .long header, image, image_end, image_end, _start

_start: movl $(tables + 0x1003), tables
        movl $0, tables + 4
        movl $(tables + 0x2003), tables + 0x1000
        movl $0, tables + 0x1004
        movl $0x83, tables + 0x2000     # the first 2 MiB, present, writable, one large page
        movl $0, tables + 0x2004
        mov  %cr4, %eax
        or   $(1 << 5), %eax            # physical address extension
        mov  %eax, %cr4
        mov  $tables, %eax
        mov  %eax, %cr3
        mov  $0xc0000080, %ecx          # EFER
        rdmsr
        or   $(1 << 8), %eax            # long mode enable
        wrmsr
        mov  %cr0, %eax
        or   $((1 << 31) | 1), %eax     # paging, protection
        mov  %eax, %cr0
        lgdt descriptor
        ljmp $8, $long

.code64
long:   mov  $20000000, %rcx
1:      dec  %rcx
        jnz  1b
        mov  $0x2a, %al                 # exit code 0x2a * 2 + 1
        out  %al, $0xf4
2:      hlt
        jmp  2b

.align 8
gdt:    .quad 0, 0x00af9a000000ffff
descriptor:
        .word descriptor - gdt - 1
        .long gdt
image_end:
