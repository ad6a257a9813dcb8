/* SPDX-License-Identifier: MIT */
/*
 * Description: vfio-pci declares what a function will send; whatever else it sends is blocked, and
 * on record with the reason. 0000:03:00.0 has no PASIDs, 0000:02:00.0 has.
 */
#include "gun.h"

/* A write of that kind does not pass, and the record says why. */
static void blocked(const struct gun *gun, const char *what, struct aim aim, uint64_t addr,
		    unsigned reason)
{
	char words[128];

	check(what, gun_write(gun, aim, addr, 0xbad), reason);
	check("  counted", (long)gun_get64(gun, IOAS_TLPGUN_FAULTED), 1);
	snprintf(words, sizeof(words), "\"device\":\"%s\"", gun->name);
	check("  on record", recorded(gun, words), 1);
}

static struct aim claim(uint32_t rid, uint32_t more)
{
	return (struct aim){.ctrl = IOAS_TLPGUN_WITH_RID | more, .rid = rid, .pasid = 1};
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun plain = gun_ready("0000:03:00.0", fd), tagging = gun_ready("0000:02:00.0", fd);
	struct place one = place_new(fd, 0xa), two = place_new(fd, 0xb);
	struct aim translated = {.ctrl = IOAS_TLP_TRANSLATED << IOAS_TLPGUN_AT_SHIFT};
	struct aim request = {.ctrl = IOAS_TLP_TRANSLATION_REQUEST << IOAS_TLPGUN_AT_SHIFT};
	uint16_t off = 2;

	check("plain to one", gun_attach(&plain, one.ioas), 0);
	check("tagging to two", gun_attach(&tagging, gun_table(&tagging, fd, two.ioas)), 0);
	blocked(&plain, "a PASID that was not declared", TAGGED(1), IOVA, IOAS_FAULT_UNDECLARED);
	check("  in words", recorded(&plain, "did not declare this form"), 1);
	check("  with the PASID", recorded(&plain, "\"pasid\":1,"), 1);
	blocked(&plain, "PASID 0, too", TAGGED(0), IOVA, IOAS_FAULT_UNDECLARED);
	check("attaching it is refused", gun_attach_pasid(&plain, 1, one.ioas), -EINVAL);
	blocked(&plain, "a translated request", translated, IOVA, IOAS_FAULT_TRANSLATED);
	check("  in words", recorded(&plain, "\"at\":\"translated\""), 1);
	blocked(&plain, "a translation request", request, IOVA, IOAS_FAULT_TRANSLATED);
	blocked(&plain, "the interrupt window", UNTAGGED, 0xfee00000, IOAS_FAULT_INTERRUPT);
	blocked(&plain, "another bus's RID", claim(0x200, 0), IOVA, IOAS_FAULT_SOURCE);
	check("  as it was claimed", recorded(&plain, "\"requester\":\"02:00.0\""), 1);
	blocked(&plain, "a RID of nobody's", claim(0x308, 0), IOVA, IOAS_FAULT_UNKNOWN_RID);
	blocked(&tagging, "a declared PASID without a route", TAGGED(1), IOVA, IOAS_FAULT_NO_ROUTE);
	/* What was declared, and attached, passes. */
	check("plain", (long)gun_read(&plain, UNTAGGED, IOVA), 0xa);
	check("by its own RID, said aloud", (long)gun_read(&plain, claim(0x300, 0), IOVA), 0xa);
	check("tagging", (long)gun_read(&tagging, UNTAGGED, IOVA), 0xb);
	/* Bus mastering is the first gate. */
	check("bus master off",
	      pwrite(plain.cdev, &off, 2,
		     gun_region(plain.cdev, VFIO_PCI_CONFIG_REGION_INDEX, NULL) + 4),
	      2);
	blocked(&plain, "a request without bus master", UNTAGGED, IOVA, IOAS_FAULT_BUS_MASTER);
	check("no byte moved", one.page[0] == 0xa && two.page[0] == 0xb, 1);
	return check_done();
}
