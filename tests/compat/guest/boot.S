/* SPDX-License-Identifier: MIT */
/*
 * A boot sector that uses the disk it came from. It reads eight sectors from LBA 1 through INT 13h,
 * prints the text at their start to port 0xe9, writes them back at LBA 64, and ends QEMU through
 * port 0x501. What it prints on an error: "E" and the BIOS status in hex.
 */
	.code16
	.globl _start
_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7c00, %sp
	sti
	movb %dl, drive

	movb $0x42, %ah		/* extended read */
	call disk
	movw $0x8000, %si
print:
	lodsb
	testb %al, %al
	jz written
	outb %al, $0xe9
	jmp print

written:
	movl $64, lba
	movw $0x4300, %ax	/* extended write, no verify */
	call disk
	movb $0x10, %al		/* QEMU's status: 0x10 << 1 | 1 = 33 */
	jmp end

disk:
	movb drive, %dl
	movw $packet, %si
	int $0x13
	jc failed
	ret

failed:
	movb $'E', %al
	outb %al, $0xe9
	movb %ah, %al
	shrb $4, %al
	call digit
	movb %ah, %al
	call digit
	movb $0, %al
end:
	movw $0x501, %dx
	outb %al, %dx
halt:
	hlt
	jmp halt

digit:
	andb $15, %al
	addb $'0', %al
	cmpb $'9', %al
	jbe 1f
	addb $39, %al
1:	outb %al, $0xe9
	ret

drive:	.byte 0
	.balign 4
packet:	.byte 16, 0
	.word 8			/* sectors */
	.word 0x8000, 0		/* offset, segment */
lba:	.long 1, 0

	.org 510
	.word 0xaa55
