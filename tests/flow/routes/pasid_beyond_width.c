/* SPDX-License-Identifier: MIT */
/*
 * Description: a function whose PASIDs have 4 bits is refused the attach of PASID 16, and a TLP
 * with it is blocked; 15 is the last one.
 */
#include "gun.h"

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun gun = gun_ready("0000:02:00.0", fd);
	struct place place = place_new(fd, 0xa);
	uint32_t table = gun_table(&gun, fd, place.ioas);

	check("its PASIDs have 4 bits", gun_get32(&gun, IOAS_TLPGUN_CAPS) & 0xff, 4);
	check("attach 16", gun_attach_pasid(&gun, 16, table), -EINVAL);
	check("  says which there are", refused_with(fd, "0 to 15"), 1);
	check("attach 2^20", gun_attach_pasid(&gun, 1 << 20, table), -EINVAL);
	check("attach 2^32 - 1", gun_attach_pasid(&gun, UINT32_MAX, table), -EINVAL);
	check("attach 15", gun_attach_pasid(&gun, 15, table), 0);
	check("a TLP with 15", (long)gun_read(&gun, TAGGED(15), IOVA), 0xa);
	/* 16 and 0 have the lower 4 bits in common; neither is 15's. */
	check("a TLP with 16", gun_write(&gun, TAGGED(16), IOVA, 1), IOAS_FAULT_PASID_WIDTH);
	check("  on record", recorded(&gun, "\"pasid\":16,"), 1);
	check("a TLP with 31", gun_write(&gun, TAGGED(31), IOVA, 1), IOAS_FAULT_PASID_WIDTH);
	check("no byte moved", (long)place.page[0], 0xa);
	check("detaching 16 is nothing", gun_detach_pasid(&gun, 16), 0);
	check("15 goes on", (long)gun_read(&gun, TAGGED(15), IOVA), 0xa);
	return check_done();
}
