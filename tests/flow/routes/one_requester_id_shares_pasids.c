/* SPDX-License-Identifier: MIT */
/*
 * Description: two functions that send with one requester ID share all of their routes, those by
 * PASID included; one function that sends with several has them all routed alike.
 */
#include "gun.h"

static void two_with_one(const struct gun *a, const struct gun *b, int fd)
{
	struct place one = place_new(fd, 0xa), two = place_new(fd, 0xb);
	uint32_t to_one = gun_table(a, fd, one.ioas), to_two = gun_table(b, fd, two.ioas);
	const uint32_t five = 5;

	check("a's PASID 5 to one", gun_attach_pasid(a, 5, to_one), 0);
	check("b's PASID 5 goes there, too", (long)gun_read(b, TAGGED(5), IOVA), 0xa);
	check("b's to two", gun_attach_pasid(b, 5, to_two), -EINVAL);
	check("  names a", refused_with(fd, a->name), 1);
	check("b's to one: nothing to do", gun_attach_exactly(b, &five, to_one), IOAS_ATTACH_NO_OP);
	check("b's PASID 6 to two", gun_attach_pasid(b, 6, to_two), 0);
	check("a's PASID 6 goes there, too", (long)gun_read(a, TAGGED(6), IOVA), 0xb);
	check("neither has a route without", gun_write(a, UNTAGGED, IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("neither", gun_write(b, UNTAGGED, IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("b's has a's requester ID", recorded(b, "\"requester\":\"01:00.0\""), 1);
	check("a's PASID 5 moves", gun_attach_pasid(a, 5, to_two), 0);
	check("and b's with it", (long)gun_read(b, TAGGED(5), IOVA), 0xb);
	check("a leaves", gun_detach_pasid(a, 5), 0);
	check("b goes on", (long)gun_read(b, TAGGED(5), IOVA), 0xb);
	check("b leaves", gun_detach_pasid(b, 5), 0);
	check("it is blocked", gun_write(b, TAGGED(5), IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("PASID 6 is not", (long)gun_read(a, TAGGED(6), IOVA), 0xb);
}

static void one_with_several(const struct gun *gun, int fd)
{
	struct aim phantom = {.ctrl = IOAS_TLPGUN_WITH_RID, .rid = 0x204};
	struct aim nobody = {.ctrl = IOAS_TLPGUN_WITH_RID, .rid = 0x202};
	struct place place = place_new(fd, 0xc);

	check("attach", gun_attach(gun, place.ioas), 0);
	check("its own", (long)gun_read(gun, UNTAGGED, IOVA), 0xc);
	check("its phantom function's", (long)gun_read(gun, phantom, IOVA), 0xc);
	check("  which is no claim", gun_write(gun, phantom, IOVA, 0xc), IOAS_FAULT_NONE);
	check("another number", gun_write(gun, nobody, IOVA, 1), IOAS_FAULT_UNKNOWN_RID);
	check("detach", gun_detach(gun), 0);
	check("both are blocked", gun_write(gun, phantom, IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("  on record as sent", recorded(gun, "\"requester\":\"02:00.4\""), 1);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun a = gun_ready("0000:01:00.0", fd), b = gun_ready("0000:01:00.1", fd);
	struct gun several = gun_ready("0000:02:00.0", fd);

	two_with_one(&a, &b, fd);
	one_with_several(&several, fd);
	return check_done();
}
