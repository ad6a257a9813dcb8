/* SPDX-License-Identifier: MIT */
/* A guest of an SMMUv3: its context descriptors and tables, which are in memory as VT-d's are. */
#include "ops.h"

/* Pages: descriptors, a first level of them, and tables of four levels, of the last one two. */
#define CDS	 RIG_ARM_TABLES
#define CD_TABLE (RIG_ARM_TABLES + 1)
#define ROOT	 (RIG_ARM_TABLES + 2)
#define LEAVES	 (RIG_ARM_TABLES + 5)
#define PAGE_NR	 7u
#define CD_NR	 4u
/* A page, accessed, for requests without privilege; and a table. */
#define LEAF	  (3ull | 1ull << 6 | 1ull << 10)
#define TABLE	  3ull
#define READ_ONLY (1ull << 7)
#define DIRTY	  (1ull << 51)
/* Of a descriptor: V, AA64, A, R, IPS 48 bits, no second half; T0SZ; HA and HD, AFFD. */
#define CD_GOOD	   (1ull << 31 | 1ull << 41 | 1ull << 46 | 1ull << 45 | 5ull << 32 | 1ull << 30)
#define CD_BITS(n) (64ull - (n))
#define CD_UPDATE  (3ull << 42)
#define CD_ANY	   (1ull << 35)

static void make_cd(struct rig *rig, unsigned index, uint64_t word, uint64_t root)
{
	for (unsigned i = 0; i < 8; i++)
		rig_put(rig, CDS, index * 8 + i, i == 0 ? word : i == 1 ? root : 0);
}

void rig_make_arm_tables(struct rig *rig)
{
	for (unsigned i = 1; i < PAGE_NR; i++)
		for (unsigned k = 0; k < 512; k++)
			rig_put(rig, CDS + i, k, 0);
	make_cd(rig, 0, CD_GOOD | CD_BITS(48), rig_gpa(ROOT));
	make_cd(rig, 1, CD_GOOD | CD_BITS(48) | CD_UPDATE, rig_gpa(ROOT));
	make_cd(rig, 2, CD_GOOD | CD_BITS(39) | CD_ANY, rig_gpa(ROOT + 1));
	make_cd(rig, 3, 0, 0);
	rig_put(rig, CD_TABLE, 0, rig_gpa(CDS) | 1);
	for (unsigned i = 0; i < 3; i++)
		rig_put(rig, ROOT + i, 0, rig_gpa(ROOT + i + 1) | TABLE);
	rig_put(rig, ROOT + 2, 1, rig_gpa(LEAVES + 1) | TABLE);
	rig_put(rig, ROOT + 2, 2, LEAF & ~2ull);
	for (unsigned k = 0; k < 16; k++) {
		rig_put(rig, LEAVES, 0x1f0 + k,
			rig_gpa(k) | (k % 3 ? LEAF : LEAF | READ_ONLY | DIRTY));
		rig_put(rig, LEAVES + 1, k,
			rig_gpa(k / 2) | (k % 3 ? LEAF & ~(1ull << 10) : LEAF | READ_ONLY));
	}
	rig_put(rig, LEAVES + 1, 4, rig_gpa(RIG_WRITABLE) | LEAF);
	rig_put(rig, LEAVES + 1, 5, rig_gpa(RIG_WRITABLE + 2) | LEAF);
}

/* Bits that mean something are changed more often. */
static uint64_t flip(struct rig *rig, uint64_t value, unsigned low, unsigned high)
{
	struct input *in = &rig->in;

	if (input_below(in, 2))
		value ^= 1ull << input_below(in, 12);
	if (input_below(in, 2))
		value ^= 1ull << (low + input_below(in, high - low + 1));
	if (input_rarely(in, 16))
		value ^= 1ull << input_below(in, 64);
	return input_rarely(in, 32) ? input_u64(in) : value;
}

static void write_cd(struct rig *rig)
{
	static const uint64_t good[] = {CD_GOOD | CD_BITS(48), CD_GOOD | CD_BITS(48) | CD_UPDATE,
					CD_GOOD | CD_BITS(39) | CD_ANY, CD_GOOD | CD_BITS(40)};
	unsigned which = input_below(&rig->in, CD_NR), index = input_below(&rig->in, CD_NR);
	uint64_t root = rig_gpa(ROOT + (which == 2));
	uint64_t word = flip(rig, good[which], 30, 47);

	if (input_rarely(&rig->in, 4))
		root = flip(rig, root, 0, 11);
	rig_say(rig, "the guest's descriptor %u: %#llx %#llx", index, (unsigned long long)word,
		(unsigned long long)root);
	make_cd(rig, index, word, root);
}

void op_arm_write(struct rig *rig, unsigned ctx)
{
	struct input *in = &rig->in;
	unsigned table = input_below(in, 6), index;
	uint64_t entry = rig_gpa(input_below(in, RIG_ARENA)) | LEAF;

	fuzz_counts.operations++;
	if (input_rarely(in, 6)) {
		rig_say(rig, "the SMMUv3's guest's tables anew");
		rig_make_arm_tables(rig);
		return;
	}
	if (!table) {
		write_cd(rig);
		return;
	}
	index = table < 5 ? input_below(in, 8) % 3 : input_below(in, 16);
	if (table < 5 && input_below(in, 4))
		entry = table == 1 ? rig_gpa(CDS) | 1 : rig_gpa(CDS + table + 1) | TABLE;
	entry = flip(rig, entry, table < 5 ? 59 : 51, table < 5 ? 63 : 55);
	/* The one that is read only once in a while, by both of its halves. */
	if (table == 5) {
		table += input_below(in, 2);
		index += table == 5 ? 0x1f0 : 0;
	}
	rig_say(rig, "the SMMUv3's guest's table %u, entry %u: %#llx", table, index,
		(unsigned long long)entry);
	rig_put(rig, CDS + table, index, entry);
}

struct iommu_hwpt_arm_smmuv3 rig_good_ste(bool two)
{
	uint64_t config = 5 << 1 | 1, max = two ? 7 : 2;

	return (struct iommu_hwpt_arm_smmuv3){
		{config | (two ? 1ull << 4 : 0) | rig_gpa(two ? CD_TABLE : CDS) | max << 59,
		 two ? 1 : 2}};
}

struct iommu_hwpt_arm_smmuv3 rig_pick_ste(struct rig *rig)
{
	struct input *in = &rig->in;
	struct iommu_hwpt_arm_smmuv3 ste = rig_good_ste(input_below(in, 2));

	if (input_rarely(in, 4))
		ste.ste[0] = (ste.ste[0] & ~0xeull) | (uint64_t)input_below(in, 8) << 1;
	if (input_rarely(in, 4))
		ste.ste[0] = (ste.ste[0] << 5 >> 5) | (uint64_t)input_below(in, 24) << 59;
	if (input_below(in, 2))
		ste.ste[1] = input_byte(in);
	if (input_rarely(in, 8))
		ste.ste[1] |= (uint64_t)input_below(in, 8) << 27;
	if (input_rarely(in, 16))
		ste.ste[input_below(in, 2)] ^= 1ull << input_below(in, 64);
	return ste;
}
