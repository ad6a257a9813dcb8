/* SPDX-License-Identifier: MIT */
/*
 * Description: with groups=strict, Linux's rule: a group has one IOAS, whoever of it attaches, and
 * no PASIDs where requests to a peer may not come to the IOMMU.
 */
#include "gun.h"

static long table_for_pasids(const struct gun *gun, int fd, uint32_t ioas)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = gun->id,
		.pt_id = ioas,
	};

	return call(fd, IOMMU_HWPT_ALLOC, &cmd);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun a = gun_ready("0000:01:00.0", fd), b = gun_ready("0000:01:00.1", fd);
	struct gun alone = gun_ready("0000:02:00.0", fd);
	struct place one = place_new(fd, 0xa), two = place_new(fd, 0xb);

	check("a to one", gun_attach(&a, one.ioas), 0);
	check("b to two", gun_attach(&b, two.ioas), -EINVAL);
	check("  names a", refused_with(fd, a.name), 1);
	check("b to one", gun_attach(&b, one.ioas), 0);
	check("b reads of one", (long)gun_read(&b, UNTAGGED, IOVA), 0xa);
	check("alone to two", gun_attach(&alone, two.ioas), 0);
	check("b moves to two", gun_attach(&b, two.ioas), 0);
	check("and a with it", (long)gun_read(&a, UNTAGGED, IOVA), 0xb);
	/* The two functions isolate nothing, so that their PASIDs could meet a peer. */
	check("no PASIDs for a", table_for_pasids(&a, fd, one.ioas), -EOPNOTSUPP);
	check("nor from it", gun_write(&a, TAGGED(1), IOVA, 1), IOAS_FAULT_UNDECLARED);
	check("PASIDs for one alone", table_for_pasids(&alone, fd, one.ioas), 0);
	return check_done();
}
