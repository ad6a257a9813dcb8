/* SPDX-License-Identifier: MIT */
/*
 * QEMU's RISC-V hart as a walker, of both stages. Its firmware, the words below, stays in machine
 * mode and does with mstatus.MPRV one access after the other that a mailbox asks for: as user mode
 * through satp, or with MPV as a guest's user mode, whose own stage is bare, through hgatp. So the
 * tables need not map it. A page fault is an answer. What it fetches itself is not translated, so
 * fetches are not tried.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "pt/pt.h"
#include "qemu.h"

#define OP_SATP	     4
#define OP_HGATP     5
#define MSTATUS_MPRV (1ull << 17)
#define MSTATUS_MPV  (1ull << 39)

/* Mailbox (s0): 0 operation (0: done), 8 address, 16 value, 24 error, 32 mstatus bits to access
 * with. */
static const uint32_t firmware[] = {
	0x00000297, /* auipc t0, 0 */
	0x0a028293, /* addi t0, t0, fault - . */
	0x30529073, /* csrw mtvec, t0 */
	0xfff00293, /* addi t0, zero, -1 */
	0x3b029073, /* csrw pmpaddr0, t0 */
	0x01f00293, /* addi t0, zero, 31 */
	0x3a029073, /* csrw pmpcfg0, t0 */
	0x02100413, /* addi s0, zero, 33 */
	0x01a41413, /* slli s0, s0, 26 */
	0x00300e13, /* addi t3, zero, 3 */
	0x00be1e13, /* slli t3, t3, 11 */
	0x00043303, /* loop: ld t1, 0(s0) */
	0xfe030ee3, /* beq t1, zero, loop */
	0x00843503, /* ld a0, 8(s0) */
	0x01043583, /* ld a1, 16(s0) */
	0x02043483, /* ld s1, 32(s0) */
	0x00400393, /* addi t2, zero, 4 */
	0x04730663, /* beq t1, t2, satp */
	0x00500393, /* addi t2, zero, 5 */
	0x04730663, /* beq t1, t2, hgatp */
	0x12000073, /* sfence.vma */
	0x62000073, /* hfence.gvma */
	0x300e3073, /* csrc mstatus, t3 */
	0x3004a073, /* csrs mstatus, s1 */
	0x00200393, /* addi t2, zero, 2 */
	0x00730663, /* beq t1, t2, store */
	0x00053583, /* ld a1, 0(a0) */
	0x0080006f, /* j ok */
	0x00b53023, /* store: sd a1, 0(a0) */
	0x3004b073, /* ok: csrc mstatus, s1 */
	0x00000613, /* addi a2, zero, 0 */
	0x00b43823, /* done: sd a1, 16(s0) */
	0x00c43c23, /* sd a2, 24(s0) */
	0x0ff0000f, /* fence */
	0x00043023, /* sd zero, 0(s0) */
	0xfa1ff06f, /* j loop */
	0x18059073, /* satp: csrw satp, a1 */
	0xfe1ff06f, /* j ok */
	0x68059073, /* hgatp: csrw hgatp, a1 */
	0xfd9ff06f, /* j ok */
	0x3004b073, /* fault: csrc mstatus, s1 */
	0x34202673, /* csrr a2, mcause */
	0x10066613, /* ori a2, a2, 0x100 */
	0xfd1ff06f, /* j done */
};

static void make_rom(uint8_t *rom)
{
	memcpy(rom, firmware, sizeof(firmware));
}

static volatile uint64_t *mailbox;
static uint64_t mstatus;

static uint64_t ask(uint64_t op, uint64_t addr, uint64_t *value, uint64_t with)
{
	mailbox[1] = addr;
	mailbox[2] = *value;
	mailbox[4] = with;
	__atomic_store_n(&mailbox[0], op, __ATOMIC_RELEASE);
	while (__atomic_load_n(&mailbox[0], __ATOMIC_ACQUIRE))
		sched_yield();
	*value = mailbox[2];
	return mailbox[3];
}

/* `format`: 1 the second stage. */
static void start(struct qemu *q, uint64_t at, uint64_t root, uint64_t mode, unsigned format)
{
	uint64_t atp = mode << 60 | root >> 12, off = 0;

	mailbox = (uint64_t *)q->mailbox;
	mstatus = format ? MSTATUS_MPRV | MSTATUS_MPV : MSTATUS_MPRV;
	ask(OP_SATP, 0, format ? &off : &atp, 0);
	if (format)
		ask(OP_HGATP, 0, &atp, 0);
}

/*
 * Load and store page faults. (By the specification those of a guest's second stage have causes of
 * their own, 21 and 23; QEMU 7.2 takes these for accesses with MPV.)
 */
static unsigned cpu_access(struct qemu *q, uint64_t iova, enum walker_access access,
			   uint64_t *value)
{
	uint64_t error = ask(access, iova, value, mstatus), cause = error & 0xff;
	uint64_t want = access == WALKER_READ ? 13 : 15;

	if (!error)
		return MODEL_FAULT_NONE;
	if (cause == want)
		return MODEL_FAULT_ANY;
	fprintf(stderr, "FAIL: cause %llu at %#llx\n", (unsigned long long)cause,
		(unsigned long long)iova);
	exit(1);
}

static void forget(struct qemu *q)
{
}

const struct iommu_model model_riscv = {
	.name = "RISC-V hart",
	.machine = MACHINE_RISCV,
	.args = {"-M", "virt,memory-backend=ram", "-cpu", "rv64,svnapot=on"},
	.rom = make_rom,
	.start = start,
	.invalidate = forget,
	.access = cpu_access,
	.no_fetch = true,
	.accessed = 1 << 6,
};
