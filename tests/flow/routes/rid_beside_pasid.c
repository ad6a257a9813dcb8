/* SPDX-License-Identifier: MIT */
/*
 * Description: of two functions of one group one is routed by RID, and its neighbour by RID and
 * PASID: each form has routes of its own, and what has none is blocked.
 */
#include "gun.h"

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun rid = gun_ready("0000:01:00.0", fd), pasid = gun_ready("0000:01:00.1", fd);
	struct place one = place_new(fd, 0xa), two = place_new(fd, 0xb), three = place_new(fd, 0xc);
	uint32_t table_two = gun_table(&pasid, fd, two.ioas);

	check("by RID", gun_attach(&rid, one.ioas), 0);
	check("by PASID 5", gun_attach_pasid(&pasid, 5, table_two), 0);
	check("by PASID 6", gun_attach_pasid(&pasid, 6, gun_table(&pasid, fd, three.ioas)), 0);
	check("the first one's untagged", (long)gun_read(&rid, UNTAGGED, IOVA), 0xa);
	check("the neighbour's PASID 5", (long)gun_read(&pasid, TAGGED(5), IOVA), 0xb);
	check("the neighbour's PASID 6", (long)gun_read(&pasid, TAGGED(6), IOVA), 0xc);
	check("the first one has no PASID 5", gun_write(&rid, TAGGED(5), IOVA, 1),
	      IOAS_FAULT_NO_ROUTE);
	check("its record has the PASID", recorded(&rid, "\"pasid\":5,"), 1);
	check("the neighbour has no untagged", gun_write(&pasid, UNTAGGED, IOVA, 2),
	      IOAS_FAULT_NO_ROUTE);
	check("its record has none", recorded(&pasid, "\"pasid\":null,"), 1);
	check("and no PASID 7", gun_write(&pasid, TAGGED(7), IOVA, 3), IOAS_FAULT_NO_ROUTE);
	check("PASID 5 ends", gun_detach_pasid(&pasid, 5), 0);
	check("it is blocked", gun_write(&pasid, TAGGED(5), IOVA, 4), IOAS_FAULT_NO_ROUTE);
	check("PASID 6 is not", (long)gun_read(&pasid, TAGGED(6), IOVA), 0xc);
	check("nor the first one", (long)gun_read(&rid, UNTAGGED, IOVA), 0xa);
	check("PASID 6 moves", gun_attach_pasid(&pasid, 6, table_two), 0);
	check("to there", (long)gun_read(&pasid, TAGGED(6), IOVA), 0xb);
	check("no byte moved", one.page[0] == 0xa && two.page[0] == 0xb && three.page[0] == 0xc, 1);
	return check_done();
}
