/* SPDX-License-Identifier: MIT */
/*
 * Description: --check-invalidation and a guest's context descriptors: a descriptor, a leaf of its
 * table or the entry that leads to both that changes without a command is found, level by level;
 * PASIDs and halves that have the same addresses are not taken for one another.
 */
#include "smmu.h"

#define VA  0x7f0000000000ul
#define TOP (~0xfffffffffffful | VA)

static struct gun gun;
static struct smmu smmu;

static unsigned touch(uint32_t pasid, uint64_t va)
{
	return gun_write(&gun, TAGGED(pasid), va, 1);
}

/* The same addresses in two PASIDs and both halves: four pages, and nothing to say of them. */
static void apart(void)
{
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 4; i++)
			check("none is another's", touch(5 + (i >> 1), i & 1 ? TOP : VA), 0);
	check("the first", (long)gun_read(&gun, TAGGED(5), VA), 1);
}

/* The leaf of VA leads to another page. */
static void change_leaf(uint64_t root)
{
	volatile uint64_t *leaf = smmu_pte(&smmu, root, VA);

	*leaf = (*leaf & ~0xfffffffff000ull) | guest_page(&smmu.guest);
}

/* Each command is of just what it says. Its words: IHI 0070, 4.3 and 4.4. */
static void commands_name_what_they_drop(const uint64_t *root)
{
	static const struct {
		const char *what;
		uint64_t word[2];
		bool drops;
	} all[] = {
		{"CFGI_CD", {0x05 | 5 << 12 | (uint64_t)STREAM << 32, 1}, false},
		{"CFGI_CD_ALL", {0x06 | (uint64_t)STREAM << 32, 31}, false},
		{"TLBI_NH_ALL", {0x10, 0}, true},
		{"TLBI_NSNH_ALL", {0x30, 0}, true},
		{"TLBI_NH_ASID", {0x11 | 5ull << 48, 0}, true},
		{"TLBI_NH_ASID, of another", {0x11 | 6ull << 48, 0}, false},
		{"TLBI_NH_VA", {0x12 | 5ull << 48, VA}, true},
		{"TLBI_NH_VA, of leaves", {0x12 | 5ull << 48, VA | 1}, true},
		{"TLBI_NH_VA, of another ASID", {0x12 | 6ull << 48, VA}, false},
		{"TLBI_NH_VA, of the next page", {0x12 | 5ull << 48, VA + 0x1000}, false},
		{"TLBI_NH_VA, in the other half", {0x12 | 5ull << 48, TOP}, false},
		{"TLBI_NH_VAA", {0x13, VA}, true},
		{"TLBI_NH_VAA, of the page before", {0x13, VA - 0x1000}, false},
		/* TG 1: 4 KiB; NUM and SCALE: (3 + 1) * 2^2 pages. */
		{"a range", {0x12 | 5ull << 48 | 3 << 12 | 2 << 20, (VA - 0xf000) | 1 << 10}, true},
		{"a range before",
		 {0x12 | 5ull << 48 | 3 << 12 | 2 << 20, (VA - 0x10000) | 1 << 10},
		 false},
		{"ATC_INV", {0x40 | (uint64_t)STREAM << 32, 52}, false},
	};

	check("TLBI_NH_ALL", smmu_command(&smmu, 0x10, 0), 0);
	check("nothing is kept", touch(5, VA), 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		change_leaf(root[0]);
		check("no command", touch(5, VA), IOAS_PASSED_STALE);
		change_leaf(root[0]);
		check(all[i].what, smmu_command(&smmu, all[i].word[0], all[i].word[1]), 0);
		check("  after the change", touch(5, VA), all[i].drops ? 0 : IOAS_PASSED_STALE);
	}
	/* Descriptors: by their own SubstreamID. */
	smmu_cd(&smmu, 5)[0] ^= CD_R;
	check("another's CFGI_CD", smmu_cfgi_cd(&smmu, 6), 0);
	check("does not do", touch(5, VA), IOAS_PASSED_STALE);
	smmu_cd(&smmu, 5)[0] ^= CD_R;
	check("CFGI_CD_ALL", smmu_command(&smmu, 0x06 | (uint64_t)STREAM << 32, 31), 0);
	check("does", touch(5, VA), 0);
}

/* A page without nG is of all ASIDs: that of no ASID drops it, those of its address do. */
static void pages_of_all_asids(const uint64_t *root)
{
	static const struct {
		const char *what;
		uint64_t word[2];
		bool drops;
	} all[] = {
		{"of all, TLBI_NH_ASID", {0x11 | 5ull << 48, 0}, false},
		{"of all, TLBI_NH_VA", {0x12 | 5ull << 48, VA}, true},
		{"of all, TLBI_NH_VA of another ASID", {0x12 | 6ull << 48, VA}, true},
		{"of all, TLBI_NH_VA of the next page", {0x12 | 6ull << 48, VA + 0x1000}, false},
		{"of all, TLBI_NH_VAA", {0x13, VA}, true},
		{"of all, TLBI_NH_ALL", {0x10, 0}, true},
	};

	*smmu_pte(&smmu, root[0], VA) &= ~PTE_NG;
	check("TLBI_NH_ALL", smmu_command(&smmu, 0x10, 0), 0);
	check("of all ASIDs", touch(5, VA), 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		change_leaf(root[0]);
		check(all[i].what, smmu_command(&smmu, all[i].word[0], all[i].word[1]), 0);
		check("  after the change", touch(5, VA), all[i].drops ? 0 : IOAS_PASSED_STALE);
	}
	*smmu_pte(&smmu, root[0], VA) |= PTE_NG;
	check("TLBI_NH_ALL", smmu_command(&smmu, 0x10, 0), 0);
	check("of one ASID again", touch(5, VA), 0);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	volatile uint64_t *leaf, *cd, *l1;
	uint64_t root[4], was;

	gun = gun_ready("0000:01:00.0", fd);
	smmu = smmu_new(fd, gun.id, 8);
	for (unsigned i = 0; i < 4; i++) {
		root[i] = guest_page(&smmu.guest);
		smmu_map(&smmu, root[i], VA);
	}
	check("attached", smmu_tables(&smmu, &gun, 2), 0);
	check("no descriptor yet", touch(5, VA), IOAS_FAULT_NO_PASID);
	for (unsigned i = 0; i < 2; i++)
		smmu_put_cd(&smmu, 5 + i, CD_BASE | (5ull + i) << 48, root[2 * i], root[2 * i + 1]);
	apart();
	cd = smmu_cd(&smmu, 5);
	cd[1] = root[2];
	check("another table", touch(5, VA), IOAS_PASSED_STALE);
	check("  is found", recorded(&gun, "\"stale_level\":0"), 1);
	check("  by name", recorded(&gun, "\"pasid\":5"), 1);
	cd[1] = root[0];
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("its translations are kept by ASID", touch(5, VA), IOAS_PASSED_STALE);
	check("  which is found", recorded(&gun, "\"stale_level\":4"), 1);
	commands_name_what_they_drop(root);
	pages_of_all_asids(root);
	leaf = smmu_pte(&smmu, root[0], VA);
	was = *leaf;
	*leaf = (was & ~0xfffffffff000ull) | guest_page(&smmu.guest);
	check("another page", touch(5, VA), IOAS_PASSED_STALE);
	check("  is found", recorded(&gun, "\"stale_level\":1"), 1);
	*leaf = was;
	check("TLBI_NH_VA", smmu_tlbi(&smmu, 5, VA), 0);
	check("the old one, said so", touch(5, VA), 0);
	l1 = guest_at(&smmu.guest, smmu.l1);
	was = *l1;
	*l1 = 0;
	check("no descriptors", touch(5, VA), IOAS_FAULT_NO_PASID);
	check("  is on record",
	      strstr(traced("may have passed", "\"stale_now\":\"0x0\""), "\"stale_level\":0") !=
		      NULL,
	      1);
	*l1 = was;
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("there again", touch(5, VA), 0);
	return check_done();
}
