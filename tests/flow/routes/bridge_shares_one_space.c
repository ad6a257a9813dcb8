/* SPDX-License-Identifier: MIT */
/*
 * Description: two cards behind a PCIe-to-PCI bridge are one to the IOMMU, by the bridge's
 * requester ID: their attaches have to agree, and a replace moves both.
 */
#include "gun.h"

#define WIRE "\"requester\":\"02:00.0\"" /* the secondary bus, device 0 */

static void share(const struct gun *a, const struct gun *b, int fd, const struct place *one,
		  const struct place *two)
{
	check("a to one", gun_attach(a, one->ioas), 0);
	check("b elsewhere", gun_attach(b, two->ioas), -EINVAL);
	check("  names a", refused_with(fd, a->name), 1);
	check("b, too, to one: nothing to do", gun_attach_exactly(b, NULL, one->ioas),
	      IOAS_ATTACH_NO_OP);
	check("  as the trace has it",
	      *traced("\"cause\":\"no-op\"", "\"device\":\"0000:02:01.0\"") != 0, 1);
	check("a reads of one", (long)gun_read(a, UNTAGGED, IOVA), 0xa);
	check("b reads of one", (long)gun_read(b, UNTAGGED, IOVA), 0xa);
}

/* On the wire both have the bridge's. */
static void on_the_wire(const struct gun *gun)
{
	char device[64];

	snprintf(device, sizeof(device), "\"device\":\"%s\"", gun->name);
	check(gun->name, gun_write(gun, UNTAGGED, 4 * IOVA, 1), IOAS_FAULT_NOT_MAPPED);
	check("  has the bridge's requester ID", recorded(gun, WIRE), 1);
	check("  and is known by name", recorded(gun, device), 1);
	check("claiming another's",
	      gun_write(gun, (struct aim){.ctrl = IOAS_TLPGUN_WITH_RID, .rid = 0x300}, 4 * IOVA, 1),
	      IOAS_FAULT_NOT_MAPPED);
	check("  makes no difference", recorded(gun, WIRE), 1);
}

/* No PASID gets through a conventional bus. */
static void no_pasids(const struct gun *gun, int fd, const struct place *place)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = gun->id,
		.pt_id = place->ioas,
	};

	EXPECT(fd, IOMMU_HWPT_ALLOC, &cmd, -EOPNOTSUPP, "for PASIDs");
	check("a PASID", gun_write(gun, TAGGED(1), IOVA, 1), IOAS_FAULT_UNDECLARED);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun a = gun_ready("0000:02:00.0", fd), b = gun_ready("0000:02:01.0", fd);
	struct gun apart = gun_ready("0000:03:00.0", fd);
	struct place one = place_new(fd, 0xa), two = place_new(fd, 0xb);

	check("apart to two", gun_attach(&apart, two.ioas), 0);
	share(&a, &b, fd, &one, &two);
	on_the_wire(&a);
	on_the_wire(&b);
	no_pasids(&a, fd, &one);
	check("b moves", gun_attach(&b, two.ioas), 0);
	check("b reads of two", (long)gun_read(&b, UNTAGGED, IOVA), 0xb);
	check("and so does a", (long)gun_read(&a, UNTAGGED, IOVA), 0xb);
	check("one has nobody", destroy(fd, one.ioas), 0);
	check("b leaves", gun_detach(&b), 0);
	check("a goes on", (long)gun_read(&a, UNTAGGED, IOVA), 0xb);
	check("so must b, by the same ID", (long)gun_read(&b, UNTAGGED, IOVA), 0xb);
	check("a leaves", gun_detach(&a), 0);
	check("a is blocked", gun_write(&a, UNTAGGED, IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("b is blocked", gun_write(&b, UNTAGGED, IOVA, 1), IOAS_FAULT_NO_ROUTE);
	check("who is apart never noticed", (long)gun_read(&apart, UNTAGGED, IOVA), 0xb);
	return check_done();
}
