/* SPDX-License-Identifier: MIT */
/*
 * QEMU's IOMMUs as far as a test needs them: a root in force for one device, everything forgotten,
 * and the last fault. Registers and structures as the vendors' specifications have them.
 */
#include <string.h>
#include "qemu.h"

#define EDU 0x20 /* its device and function number; on bus 0 its requester ID */

static uint64_t *guest(uint64_t addr)
{
	return (uint64_t *)(uintptr_t)addr;
}

/* ---- Intel VT-d, D51397: chapter 9 (legacy mode's root and context entries), 10.4 ---- */

#define VTD	   0xfed90000ul
#define VTD_GCMD   (VTD + 0x18)
#define VTD_RTADDR (VTD + 0x20)
#define VTD_CCMD   (VTD + 0x28)
#define VTD_FSTS   (VTD + 0x34)
#define VTD_IOTLB  (VTD + 0xf8)
#define VTD_FRCD   (VTD + 0x220)

static void vtd_invalidate(struct qemu *q)
{
	qemu_write64(q, VTD_CCMD, 1ull << 63 | 1ull << 61);
	qemu_write64(q, VTD_IOTLB, 1ull << 63 | 1ull << 60);
}

static void vtd_start(struct qemu *q, uint64_t at, uint64_t root, uint64_t mode, unsigned format)
{
	uint64_t context = at + 0x1000;

	memset(guest(at), 0, 0x2000);
	guest(at)[0] = context | 1;
	guest(context)[2 * EDU] = root | 1;
	guest(context)[2 * EDU + 1] = 1 << 8 | mode;
	qemu_write64(q, VTD_RTADDR, at);
	qemu_write32(q, VTD_GCMD, 1u << 30);
	vtd_invalidate(q);
	qemu_write32(q, VTD_GCMD, 1u << 31);
}

static unsigned vtd_fault(struct qemu *q, uint64_t *addr)
{
	uint64_t high = qemu_read64(q, VTD_FRCD + 8);

	if (!(high >> 63))
		return MODEL_FAULT_NONE;
	*addr = qemu_read64(q, VTD_FRCD);
	qemu_write32(q, VTD_FRCD + 12, 1u << 31);
	qemu_write32(q, VTD_FSTS, 1);
	return MODEL_FAULT_ANY;
}

const struct iommu_model model_vtd = {
	.name = "intel-iommu",
	.args = {"-M", "q35,memory-backend=ram", "-device", "intel-iommu,intremap=off,aw-bits=48"},
	.start = vtd_start,
	.invalidate = vtd_invalidate,
	.fault = vtd_fault,
};

/* ---- AMD, 48882: 2.2.2 device table, 2.4 commands, 2.5 events, 3.4 registers ---- */

#define AMD	    0xfed80000ul
#define AMD_DEVTAB  (AMD + 0x00)
#define AMD_CMDBUF  (AMD + 0x08)
#define AMD_EVENTS  (AMD + 0x10)
#define AMD_CONTROL (AMD + 0x18)
#define AMD_CMDTAIL (AMD + 0x2008)
#define AMD_EVHEAD  (AMD + 0x2010)
#define AMD_EVTAIL  (AMD + 0x2018)
#define AMD_RING    0x1000 /* bytes: 256 entries */

static uint64_t amd_commands, amd_tail, amd_events;

static void amd_invalidate(struct qemu *q)
{
	guest(amd_commands + amd_tail)[0] = 8ull << 60; /* all */
	guest(amd_commands + amd_tail)[1] = 0;
	amd_tail = (amd_tail + 16) % AMD_RING;
	qemu_write64(q, AMD_CMDTAIL, amd_tail);
}

static void amd_start(struct qemu *q, uint64_t at, uint64_t root, uint64_t mode, unsigned format)
{
	memset(guest(at), 0, 0x4000);
	amd_commands = at + 0x2000;
	amd_events = at + 0x3000;
	guest(at)[4 * EDU] = 3ull << 61 | root | mode << 9 | 3;
	guest(at)[4 * EDU + 1] = 1; /* domain */
	qemu_write64(q, AMD_CONTROL, 0);
	qemu_write64(q, AMD_DEVTAB, at | 1); /* two pages: 256 devices */
	qemu_write64(q, AMD_CMDBUF, amd_commands | 8ull << 56);
	qemu_write64(q, AMD_EVENTS, amd_events | 8ull << 56);
	amd_tail = 0;
	qemu_write64(q, AMD_CONTROL, 1 | 1 << 2 | 1 << 12);
	amd_invalidate(q);
}

/* An entry of zeroes makes no event in this model. */
static unsigned amd_fault(struct qemu *q, uint64_t *addr)
{
	uint64_t head = qemu_read64(q, AMD_EVHEAD), tail = qemu_read64(q, AMD_EVTAIL);

	if (head == tail)
		return MODEL_FAULT_UNKNOWN;
	*addr = guest(amd_events + head)[1];
	qemu_write64(q, AMD_EVHEAD, tail);
	return MODEL_FAULT_UNKNOWN;
}

const struct iommu_model model_amd = {
	.name = "amd-iommu",
	.args = {"-M", "q35,memory-backend=ram", "-device", "amd-iommu"},
	.start = amd_start,
	.invalidate = amd_invalidate,
	.fault = amd_fault,
};

/* ---- Arm SMMUv3, IHI 0070: 5.2 stream table entry, 5.4 context descriptor, 4, 6.3, 7.3 ---- */

#define SMMU		0x09050000ul
#define SMMU_CR0	(SMMU + 0x20)
#define SMMU_STRTAB	(SMMU + 0x80)
#define SMMU_STRTAB_CFG (SMMU + 0x88)
#define SMMU_CMDQ	(SMMU + 0x90)
#define SMMU_CMDQ_PROD	(SMMU + 0x98)
#define SMMU_EVENTQ	(SMMU + 0xa0)
#define SMMU_EVENT_PROD (SMMU + 0x100a8)
#define SMMU_EVENT_CONS (SMMU + 0x100ac)
#define SMMU_QUEUE_LG2	7
#define SMMU_DESCRIPTOR 0x8000 /* behind what start is given */

static uint64_t smmu_commands, smmu_events;
static uint32_t smmu_prod;

static void smmu_command(struct qemu *q, uint64_t first, uint64_t second)
{
	uint32_t slot = smmu_prod & ((1u << SMMU_QUEUE_LG2) - 1);

	guest(smmu_commands)[2 * slot] = first;
	guest(smmu_commands)[2 * slot + 1] = second;
	smmu_prod = (smmu_prod + 1) & ((2u << SMMU_QUEUE_LG2) - 1);
	qemu_write32(q, SMMU_CMDQ_PROD, smmu_prod);
}

static void smmu_invalidate(struct qemu *q)
{
	smmu_command(q, 0x04, 31); /* CFGI_STE_RANGE: all */
	smmu_command(q, 0x30, 0);  /* TLBI_NSNH_ALL */
}

/* `format`: TG0 of the granule. */
static void smmu_start(struct qemu *q, uint64_t at, uint64_t root, uint64_t mode, unsigned format)
{
	uint64_t cd = at + SMMU_DESCRIPTOR;

	memset(guest(at), 0, 0x10000);
	smmu_commands = at + 0xa000;
	smmu_events = at + 0xc000;
	smmu_prod = 0;
	/* Stage 1 translates, stage 2 lets pass. */
	guest(at)[8 * EDU] = cd | 5 << 1 | 1;
	guest(at)[8 * EDU + 1] = 1ull << 44;
	/* AA64, A, R; no TTB1; 48 bits of output. */
	guest(cd)[0] = mode | (uint64_t)format << 6 | 16ull << 16 | 2ull << 22 | 1ull << 30 |
		       1ull << 31 | 5ull << 32 | 1ull << 41 | 1ull << 45 | 1ull << 46;
	guest(cd)[1] = root;
	guest(cd)[3] = 0xff00; /* MAIR: attribute 1 is normal memory */
	qemu_write32(q, SMMU_CR0, 0);
	qemu_write64(q, SMMU_STRTAB, at);
	qemu_write32(q, SMMU_STRTAB_CFG, 8);
	qemu_write64(q, SMMU_CMDQ, smmu_commands | SMMU_QUEUE_LG2);
	qemu_write64(q, SMMU_EVENTQ, smmu_events | SMMU_QUEUE_LG2);
	qemu_write32(q, SMMU_CMDQ_PROD, 0);
	qemu_write32(q, SMMU_CMDQ_PROD + 4, 0);
	qemu_write32(q, SMMU_EVENT_PROD, 0);
	qemu_write32(q, SMMU_EVENT_CONS, 0);
	qemu_write32(q, SMMU_CR0, 1 | 1 << 2 | 1 << 3);
	smmu_invalidate(q);
}

uint64_t *smmu_entry(const struct qemu *q)
{
	return guest(q->mem_first) + 8 * EDU;
}

uint64_t *smmu_descriptor(const struct qemu *q)
{
	return guest(q->mem_first + SMMU_DESCRIPTOR);
}

bool smmu_event(struct qemu *q, uint64_t record[4])
{
	uint32_t prod = qemu_read32(q, SMMU_EVENT_PROD), cons = qemu_read32(q, SMMU_EVENT_CONS);
	uint64_t *event = guest(smmu_events) + 4 * (cons & ((1u << SMMU_QUEUE_LG2) - 1));

	if ((prod ^ cons) << 1 == 0)
		return false;
	memcpy(record, event, 32);
	qemu_write32(q, SMMU_EVENT_CONS, (cons + 1) & ((2u << SMMU_QUEUE_LG2) - 1));
	return true;
}

static unsigned smmu_fault(struct qemu *q, uint64_t *addr)
{
	uint64_t record[4];
	unsigned fault = MODEL_FAULT_NONE;

	for (; smmu_event(q, record); fault = MODEL_FAULT_ANY)
		*addr = record[2];
	return fault;
}

const struct iommu_model model_smmu = {
	.name = "smmuv3",
	.machine = MACHINE_ARM,
	.args = {"-M", "virt,iommu=smmuv3,highmem=off,memory-backend=ram", "-cpu", "cortex-a57"},
	.start = smmu_start,
	.invalidate = smmu_invalidate,
	.fault = smmu_fault,
};
