/* SPDX-License-Identifier: MIT */
/*
 * QEMU's x86 processor as a walker. Its firmware is the stub below: it waits for a root, turns
 * paging on with it (long mode; CR0.WP, so that read-only holds for it too; EFER.NXE), and then
 * does one access after the other that a mailbox asks for. A page fault is an answer.
 *
 * The stub runs at 0xf0000, where the firmware is, and has its mailbox and stack at MAILBOX: the
 * tables have to map both.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "qemu.h"

#define STUB_AT	 0xf0000u
#define CR3_AT	 0x7000u /* memory of the machine: its root, 0 at first */
#define CR4_AT	 0x7008u
#define CR4_PAE	 (1u << 5)
#define CR4_LA57 (1u << 12)
#define FAULTED	 0x100u /* beside the processor's error code */
#define OP_CR3	 4

/* Mailbox: 0 operation (0: done), 8 address, 16 value, 24 error. GDT and IDT are filled in C. */
__asm__(".section .rodata\n"
	".globl x86_stub, x86_stub64, x86_fault, x86_gdt, x86_idt, x86_stub_end\n"
	".code16\n"
	"x86_stub:\n"
	"	cli\n"
	"	xorw %ax, %ax\n"
	"	movw %ax, %ds\n"
	"1:	movl 0x7000, %eax\n"
	"	testl %eax, %eax\n"
	"	jz 1b\n"
	"	lgdtl %cs:(x86_gdtr - x86_stub)\n"
	"	movl 0x7008, %eax\n"
	"	movl %eax, %cr4\n"
	"	movl 0x7000, %eax\n"
	"	movl %eax, %cr3\n"
	"	movl $0xc0000080, %ecx\n"
	"	rdmsr\n"
	"	orl $0x900, %eax\n"
	"	wrmsr\n"
	"	movl %cr0, %eax\n"
	"	orl $0x80010001, %eax\n"
	"	movl %eax, %cr0\n"
	"	ljmpl $8, $(0xf0000 + x86_stub64 - x86_stub)\n"
	".code64\n"
	"x86_stub64:\n"
	"	movw $16, %ax\n"
	"	movw %ax, %ds\n"
	"	movw %ax, %es\n"
	"	movw %ax, %ss\n"
	"	lidt x86_idtr(%rip)\n"
	"	movl $0xe0000, %ebx\n"
	"	leaq 0x1000(%rbx), %rsp\n"
	"2:	movq (%rbx), %rax\n"
	"	pause\n"
	"	testq %rax, %rax\n"
	"	jz 2b\n"
	"	movq %cr3, %rcx\n"
	"	movq %rcx, %cr3\n"
	"	movq 8(%rbx), %rsi\n"
	"	movq 16(%rbx), %rdx\n"
	"	cmpl $2, %eax\n"
	"	je 4f\n"
	"	cmpl $3, %eax\n"
	"	je 5f\n"
	"	cmpl $4, %eax\n"
	"	je 6f\n"
	"	movq (%rsi), %rdx\n"
	"	jmp 7f\n"
	"4:	movq %rdx, (%rsi)\n"
	"	jmp 7f\n"
	"5:	call *%rsi\n"
	"	jmp 7f\n"
	"6:	movq %rdx, %cr3\n"
	"7:	movq %rdx, 16(%rbx)\n"
	"	xorl %ecx, %ecx\n"
	"8:	movq %rcx, 24(%rbx)\n"
	"	movq $0, (%rbx)\n"
	"	jmp 2b\n"
	"x86_fault:\n"
	"	popq %rcx\n"
	"	orl $0x100, %ecx\n"
	"	leaq 0x1000(%rbx), %rsp\n"
	"	jmp 8b\n"
	"x86_gdtr:\n"
	"	.word 23\n"
	"	.long 0xf0000 + x86_gdt - x86_stub\n"
	"x86_idtr:\n"
	"	.word 16 * 15 - 1\n"
	"	.quad 0xf0000 + x86_idt - x86_stub\n"
	"	.balign 8\n"
	"x86_gdt:\n"
	"	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff\n"
	"x86_idt:\n"
	"	.fill 16 * 15\n"
	"x86_stub_end:\n"
	"	.text\n");

extern const uint8_t x86_stub[], x86_stub64[], x86_fault[], x86_idt[], x86_stub_end[];

/* The reset vector jumps to f000:0000. Vectors 13 and 14 go to the fault handler. */
static void make_rom(uint8_t *rom)
{
	static const uint8_t reset[] = {0xea, 0x00, 0x00, 0x00, 0xf0};
	uint32_t handler = STUB_AT + (uint32_t)(x86_fault - x86_stub);

	memcpy(rom, x86_stub, (size_t)(x86_stub_end - x86_stub));
	memcpy(rom + 0xfff0, reset, sizeof(reset));
	for (unsigned vector = 13; vector <= 14; vector++) {
		uint64_t gate = (handler & 0xffff) | 8u << 16 | 0x8e00ull << 32 |
				(uint64_t)(handler >> 16) << 48;

		memcpy(rom + (x86_idt - x86_stub) + 16 * vector, &gate, sizeof(gate));
	}
}

static volatile uint64_t *mailbox;

static uint64_t ask(uint64_t op, uint64_t addr, uint64_t *value)
{
	mailbox[1] = addr;
	mailbox[2] = *value;
	__atomic_store_n(&mailbox[0], op, __ATOMIC_RELEASE);
	while (__atomic_load_n(&mailbox[0], __ATOMIC_ACQUIRE))
		sched_yield();
	*value = mailbox[2];
	return mailbox[3];
}

static void start(struct qemu *q, uint64_t at, uint64_t root, uint64_t mode, unsigned format)
{
	if (mailbox) {
		ask(OP_CR3, 0, &root);
		return;
	}
	mailbox = (uint64_t *)q->mailbox;
	memset((void *)q->mailbox, 0, 4096);
	qemu_write32(q, CR4_AT, CR4_PAE | (mode ? CR4_LA57 : 0));
	qemu_write32(q, CR3_AT, (uint32_t)root);
}

static unsigned cpu_access(struct qemu *q, uint64_t iova, enum walker_access access,
			   uint64_t *value)
{
	uint64_t error = ask(access, iova, value);

	if (error & 8) {
		fprintf(stderr, "FAIL: reserved bits at %#llx\n", (unsigned long long)iova);
		exit(1);
	}
	return error ? MODEL_FAULT_ANY : MODEL_FAULT_NONE;
}

static void forget(struct qemu *q)
{
}

const struct iommu_model model_x86 = {
	.name = "x86 processor",
	.args = {"-M", "q35,memory-backend=ram", "-cpu", "max"},
	.rom = make_rom,
	.start = start,
	.invalidate = forget,
	.access = cpu_access,
	.accessed = 1 << 5,
};
