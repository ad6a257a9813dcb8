/* SPDX-License-Identifier: MIT */
/*
 * Description: IOMMUs of four kinds in one machine, and one space behind all of them: each device
 * reaches it through a table of its IOMMU's form, nothing can be mapped where one of them could
 * not, and page tables do not get to devices behind another kind. Where a device's write becomes an
 * interrupt, and what PASID 0 is, follows the device's own IOMMU.
 */
#include "gun.h"

enum { VTD, AMD, SMMU, RISCV, PLAIN, GUN_NR };

static const char *const names[GUN_NR] = {"0000:01:00.0", "0000:21:00.0", "0000:41:00.0",
					  "0000:61:00.0", "0000:81:00.0"};
static const uint32_t zero;

static long try_table(int fd, const struct gun *gun, uint32_t ioas, uint32_t flags, uint32_t *out)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flags, .dev_id = gun->id, .pt_id = ioas};
	long rc = call(fd, IOMMU_HWPT_ALLOC, &cmd);

	*out = cmd.out_hwpt_id;
	return rc;
}

static void one_space(int fd, const struct gun *guns, struct place *place)
{
	for (unsigned i = 0; i < GUN_NR; i++) {
		check(names[i], gun_attach(&guns[i], place->ioas), 0);
		check("  reads", (long)gun_read(&guns[i], UNTAGGED, IOVA), 0xa);
		check("  writes", gun_write(&guns[i], UNTAGGED, IOVA + 8 + 8 * i, i + 1), 0);
		check("  it landed", (long)place->page[1 + i], i + 1);
	}
}

/* All have the others' holes, in a space that is behind all of them. */
static void holes(int fd, uint32_t ioas)
{
	void *mem = memory(PAGE);

	check("x86's interrupts", map_fixed(fd, ioas, mem, 0xfee00000, PAGE), -EINVAL);
	check("Arm's", map_fixed(fd, ioas, mem, 0x8000000, PAGE), -EINVAL);
	check("HyperTransport's", map_fixed(fd, ioas, mem, 0xfd00000000, PAGE), -EINVAL);
	check("half of 39 bits", map_fixed(fd, ioas, mem, (1ul << 38) - PAGE, PAGE), 0);
	check("beyond", map_fixed(fd, ioas, mem, 1ul << 38, PAGE), -EINVAL);
}

/* The window is that of the device's IOMMU: elsewhere 0xfee00000 is an address like any other. */
static void windows(const struct gun *guns)
{
	static const unsigned x86[GUN_NR] = {
		[VTD] = IOAS_FAULT_INTERRUPT,	[AMD] = IOAS_FAULT_INTERRUPT,
		[SMMU] = IOAS_FAULT_NOT_MAPPED, [RISCV] = IOAS_FAULT_NOT_MAPPED,
		[PLAIN] = IOAS_FAULT_INTERRUPT,
	};

	for (unsigned i = 0; i < GUN_NR; i++) {
		check(names[i], gun_write(&guns[i], UNTAGGED, 0xfee00000, 1), x86[i]);
		check("  Arm's range", gun_write(&guns[i], UNTAGGED, 0x8000000, 1),
		      IOAS_FAULT_NOT_MAPPED);
		check("  the hole", gun_write(&guns[i], UNTAGGED, 0xfd00000000, 1),
		      i == RISCV ? IOAS_FAULT_WIDTH : IOAS_FAULT_NOT_MAPPED);
	}
}

/* Behind RISC-V alone, all of that is memory. */
static void window_is_memory(int fd, const struct gun *gun)
{
	uint32_t ioas = ioas_alloc(fd);
	volatile uint64_t *page = (void *)memory(PAGE);

	check("a space of its own", gun_attach(gun, ioas), 0);
	check("  0xfee00000 mapped", map_fixed(fd, ioas, (void *)page, 0xfee00000, PAGE), 0);
	check("  written", gun_write(gun, UNTAGGED, 0xfee00000, 0x5a), IOAS_FAULT_NONE);
	check("  it landed", (long)page[0], 0x5a);
	check("  detached", gun_detach(gun), 0);
}

static void tables_stay_with_their_kind(int fd, const struct gun *guns, uint32_t ioas)
{
	uint32_t vtd, tracks, v1, v2, none;

	check("a VT-d table", try_table(fd, &guns[VTD], ioas, 0, &vtd), 0);
	check("  on an SMMUv3", gun_attach(&guns[SMMU], vtd), -EINVAL);
	check("  says why", refused_with(fd, "is for a VT-d IOMMU, the device's is a SMMUv3"), 1);
	check("AMD's that tracks",
	      try_table(fd, &guns[AMD], ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &tracks), 0);
	check("  on one that cannot", gun_attach(&guns[PLAIN], tracks), -EINVAL);
	check("  which has none itself",
	      try_table(fd, &guns[PLAIN], ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &none),
	      -EOPNOTSUPP);
	check("RISC-V's without D",
	      try_table(fd, &guns[RISCV], ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &none),
	      -EOPNOTSUPP);
	check("a table to nest on",
	      try_table(fd, &guns[VTD], ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &none), -EOPNOTSUPP);
	check("v1", try_table(fd, &guns[AMD], ioas, 0, &v1), 0);
	check("v2", try_table(fd, &guns[AMD], ioas, IOMMU_HWPT_ALLOC_PASID, &v2), 0);
	check("  for requests without", gun_attach(&guns[AMD], v2), 0);
	check("  v1 for a PASID", gun_attach_pasid(&guns[AMD], 7, v1), -EINVAL);
	check("  v2 for a PASID", gun_attach_pasid(&guns[AMD], 7, v2), 0);
	check("  it reads", (long)gun_read(&guns[AMD], TAGGED(7), IOVA), 0xa);
	check("  its PASIDs are the IOMMU's", gun_attach_pasid(&guns[AMD], 1 << 16, v2), -EINVAL);
	check("  ends", gun_detach_pasid(&guns[AMD], 7), 0);
}

/* VT-d, AMD and RISC-V take it for none, an SMMUv3 refuses it. */
static void pasid_0(int fd, const struct gun *gun, uint32_t ioas, bool refused)
{
	uint32_t table = gun_table(gun, fd, ioas);

	check(gun->name, gun_attach(gun, table), 0);
	check("  PASID 0 cannot be had", gun_attach_exactly(gun, &zero, table), -EINVAL);
	if (refused)
		check("  nor is it none", gun_write(gun, TAGGED(0), IOVA, 0xa),
		      IOAS_FAULT_NO_ROUTE);
	else
		check("  it is none", (long)gun_read(gun, TAGGED(0), IOVA), 0xa);
	check("  PASID 3", gun_attach_pasid(gun, 3, table), 0);
	check("  reads", (long)gun_read(gun, TAGGED(3), IOVA), 0xa);
	check("  ends", gun_detach_pasid(gun, 3), 0);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun guns[GUN_NR];
	struct place place = place_new(fd, 0xa);

	for (unsigned i = 0; i < GUN_NR; i++)
		guns[i] = gun_ready(names[i], fd);
	window_is_memory(fd, &guns[RISCV]);
	one_space(fd, guns, &place);
	holes(fd, place.ioas);
	windows(guns);
	tables_stay_with_their_kind(fd, guns, place.ioas);
	for (unsigned i = VTD; i <= RISCV; i++)
		pasid_0(fd, &guns[i], place.ioas, i == SMMU);
	return check_done();
}
