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
	check("the old one, said so", touch(5, VA), 0);
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
