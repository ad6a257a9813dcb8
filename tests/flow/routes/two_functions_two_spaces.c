/* SPDX-License-Identifier: MIT */
/*
 * Description: attachment is per device, not per group: two functions of one group, by RID, are in
 * two IOASes, and each one's bytes stay in its own.
 */
#include "gun.h"

static void one_group(void)
{
	char path[PATH_MAX], a[PATH_MAX] = "", b[PATH_MAX] = "";

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/0000:01:00.%d/iommu_group", i);
		check(path, readlink(path, i ? b : a, PATH_MAX - 1) > 0, 1);
	}
	check("both are of one group", strcmp(a, b), 0);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun a = gun_ready("0000:01:00.0", fd), b = gun_ready("0000:01:00.1", fd);
	struct place one = place_new(fd, 0xa), two = place_new(fd, 0xb);
	struct aim by_b = {.ctrl = IOAS_TLPGUN_WITH_RID, .rid = 0x101};

	one_group();
	check("a is blocked before its attach", gun_write(&a, UNTAGGED, IOVA, 1),
	      IOAS_FAULT_NO_ROUTE);
	check("a to one", gun_attach(&a, one.ioas), 0);
	check("b is still blocked", gun_write(&b, UNTAGGED, IOVA, 2), IOAS_FAULT_NO_ROUTE);
	check("b's record has its RID", recorded(&b, "\"requester\":\"01:00.1\""), 1);
	check("nothing moved", one.page[0], 0xa);
	check("b to two", gun_attach(&b, two.ioas), 0);
	check("a reads of one", (long)gun_read(&a, UNTAGGED, IOVA), 0xa);
	check("b reads of two", (long)gun_read(&b, UNTAGGED, IOVA), 0xb);
	check("a writes", gun_write(&a, UNTAGGED, IOVA + 8, 0xaa), IOAS_FAULT_NONE);
	check("b writes", gun_write(&b, UNTAGGED, IOVA + 8, 0xbb), IOAS_FAULT_NONE);
	check("into one", (long)one.page[1], 0xaa);
	check("into two", (long)two.page[1], 0xbb);
	/* They are behind one port, which cannot know who of the two it was. */
	check("a claims b's requester ID", gun_write(&a, by_b, IOVA + 16, 0xcc),
	      IOAS_PASSED_CLAIMED);
	check("and is taken for b", two.page[2] == 0xcc && one.page[2] == 0xa, 1);
	check("on record with b's name", recorded(&a, "\"other\":\"0000:01:00.1\""), 1);
	check("a is detached", gun_detach(&a), 0);
	check("a is blocked", gun_write(&a, UNTAGGED, IOVA, 3), IOAS_FAULT_NO_ROUTE);
	check("b is not", (long)gun_read(&b, UNTAGGED, IOVA), 0xb);
	check("nothing moved", one.page[0], 0xa);
	return check_done();
}
