/* SPDX-License-Identifier: MIT */
/*
 * Description: requests without a PASID and requests with PASID 0 have routes of their own where
 * the IOMMU tells them apart (argument "apart"); where it does not ("same"), PASID 0 takes the
 * route of those without, and attaching it is refused with that reason. In VFIO's own attach PASID
 * 0 is another word for none, as in Linux; IOAS_ATTACH says it exactly.
 */
#include "gun.h"

static const uint32_t zero;

static void apart(const struct gun *gun, const struct place *one, const struct place *two,
		  uint32_t table)
{
	check("PASID 0 has no route yet", gun_write(gun, TAGGED(0), IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("  on record as PASID 0", recorded(gun, "\"pasid\":0,"), 1);
	check("PASID 0 to two", gun_attach_exactly(gun, &zero, table), 0);
	check("with PASID 0", (long)gun_read(gun, TAGGED(0), IOVA), 0xb);
	check("without", (long)gun_read(gun, UNTAGGED, IOVA), 0xa);
	check("write with", gun_write(gun, TAGGED(0), IOVA + 8, 0xbb), IOAS_FAULT_NONE);
	check("write without", gun_write(gun, UNTAGGED, IOVA + 8, 0xaa), IOAS_FAULT_NONE);
	check("into one", (long)one->page[1], 0xaa);
	check("into two", (long)two->page[1], 0xbb);
	check("PASID 0 of VFIO's detach", gun_detach_pasid(gun, 0), 0);
	check("was none", (long)gun_read(gun, TAGGED(0), IOVA), 0xb);
	check("so that none is blocked", gun_write(gun, UNTAGGED, IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("PASID 0 is not", (long)gun_read(gun, TAGGED(0), IOVA), 0xb);
	check("PASID 0 ends", gun_detach_exactly(gun, &zero), 0);
	check("it is blocked", gun_write(gun, TAGGED(0), IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("PASID 0 of VFIO's attach", gun_attach_pasid(gun, 0, table), 0);
	check("is none", (long)gun_read(gun, UNTAGGED, IOVA), 0xb);
	check("and not PASID 0", gun_write(gun, TAGGED(0), IOVA, 1), IOAS_FAULT_NO_ROUTE);
}

static void same(const struct gun *gun, int fd, uint32_t table)
{
	check("PASID 0 to two", gun_attach_exactly(gun, &zero, table), -EINVAL);
	check("  says why", refused_with(fd, "does not tell PASID 0 from"), 1);
	check("with PASID 0", (long)gun_read(gun, TAGGED(0), IOVA), 0xa);
	check("without", (long)gun_read(gun, UNTAGGED, IOVA), 0xa);
	check("PASID 1 is another", gun_attach_pasid(gun, 1, table), 0);
	check("with PASID 1", (long)gun_read(gun, TAGGED(1), IOVA), 0xb);
	check("without ends", gun_detach(gun), 0);
	check("and PASID 0 with it", gun_write(gun, TAGGED(0), IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("PASID 1 does not", (long)gun_read(gun, TAGGED(1), IOVA), 0xb);
}

int main(int argc, char **argv)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun gun = gun_ready("0000:01:00.0", fd);
	struct place one = place_new(fd, 0xa), two = place_new(fd, 0xb);
	uint32_t table = gun_table(&gun, fd, two.ioas);

	check("without a PASID to one", gun_attach(&gun, gun_table(&gun, fd, one.ioas)), 0);
	if (argc > 1 && !strcmp(argv[1], "same"))
		same(&gun, fd, table);
	else
		apart(&gun, &one, &two, table);
	check("no byte moved that should not", one.page[0] == 0xa && two.page[0] == 0xb, 1);
	return check_done();
}
