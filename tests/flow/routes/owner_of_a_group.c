/* SPDX-License-Identifier: MIT */
/*
 * Description: a group is what one owner has. While the host's driver has a neighbour, nobody gets
 * a member of it (01:00.x); while a member is bound to one iommufd, another one gets none
 * (02:00.x).
 */
#include "gun.h"

int main(void)
{
	int fd = open_or_skip("/dev/iommu"), second = open_or_skip("/dev/iommu");
	struct gun hosted = gun_open("0000:01:00.0"), a = gun_open("0000:02:00.0");
	struct gun b = gun_open("0000:02:00.1");
	struct place place = place_new(fd, 0xa);

	check("beside the host's driver", gun_bind(&hosted, fd), -EPERM);
	check("  names the driver", refused_with(fd, "snd_hda_intel"), 1);
	check("  and what it has", refused_with(fd, "0000:01:00.1"), 1);
	check("a to the first", gun_bind(&a, fd), 0);
	check("b to the second", gun_bind(&b, second), -EPERM);
	check("  names the member", refused_with(fd, "0000:02:00.0"), 1);
	check("a works", gun_attach(&a, place.ioas), 0);
	check("a works on", (long)gun_read(&a, UNTAGGED, IOVA), 0xa);
	check("b to the first", gun_bind(&b, fd), 0);
	check("b is blocked until it is attached", gun_write(&b, UNTAGGED, IOVA, 1),
	      IOAS_FAULT_NO_ROUTE);
	check("no byte moved", (long)place.page[0], 0xa);
	/* When the last member is given back, the group is free. */
	close(a.cdev);
	munmap((void *)a.regs, 0x4000);
	munmap((void *)a.buf, 0x10000);
	a = gun_open("0000:02:00.0");
	check("b keeps the group", gun_bind(&a, second), -EPERM);
	check("  and is named", refused_with(fd, "0000:02:00.1"), 1);
	close(b.cdev);
	munmap((void *)b.regs, 0x4000);
	munmap((void *)b.buf, 0x10000);
	check("free for the second", gun_bind(&a, second), 0);
	return check_done();
}
