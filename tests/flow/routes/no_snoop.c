/* SPDX-License-Identifier: MIT */
/*
 * Description: requests that ask for no snoop are sent by a device on an address space of which
 * VFIO says whether it enforces coherency; "cc N" is what it said. no_snoop.sh counts the bytes.
 */
#include "gun.h"

#define QUIETLY ((struct aim){.ctrl = IOAS_TLPGUN_NO_SNOOP})

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun gun = gun_ready("0000:01:00.0", fd);
	struct place place = place_new(fd, 0xa);
	struct iommu_vfio_ioas compat = {
		.size = sizeof(compat), .ioas_id = place.ioas, .op = IOMMU_VFIO_IOAS_SET};

	check("attach", gun_attach(&gun, place.ioas), 0);
	check("its space is VFIO's", call(fd, IOMMU_VFIO_IOAS, &compat), 0);
	printf("cc %d\n", ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
	check("plain", gun_write(&gun, UNTAGGED, IOVA, 1), IOAS_FAULT_NONE);
	check("no snoop", gun_write(&gun, QUIETLY, IOVA, 2), IOAS_FAULT_NONE);
	check("it lands, whatever becomes of the wish", (long)place.page[0], 2);
	check("reads too", (long)gun_read(&gun, QUIETLY, IOVA), 2);
	check("and twice", (long)gun_read(&gun, QUIETLY, IOVA), 2);
	return check_done();
}
