/* SPDX-License-Identifier: MIT */
/*
 * Description: a device with ATS writes by what it was translated, as long as that is good; when
 * the program takes memory or routes away it stops, and where it does not, each such write is
 * refused and on record with what ended the translation.
 */
#include "gun.h"

#define BY_ATS ((struct aim){.ctrl = IOAS_TLPGUN_BY_ATS})
#define TAGGED_BY_ATS(p) \
	((struct aim){.ctrl = IOAS_TLPGUN_BY_ATS | IOAS_TLPGUN_WITH_PASID, .pasid = (p)})
#define ATS_CAP		0x000f
#define NO_ATS(fd, gun) (!!(capabilities(fd, gun) & IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED))

static uint64_t capabilities(int fd, const struct gun *gun)
{
	struct iommu_hw_info cmd = {.size = sizeof(cmd), .dev_id = gun->id};

	check("IOMMU_GET_HW_INFO", call(fd, IOMMU_GET_HW_INFO, &cmd), 0);
	return cmd.out_capabilities;
}

/* The ATS control register, by a walk through the extended capabilities; -1: there is none. */
static long ats_control(const struct gun *gun, off_t *at)
{
	off_t config = gun_region(gun->cdev, VFIO_PCI_CONFIG_REGION_INDEX, NULL);
	uint32_t header = 0;
	uint16_t control = 0;

	for (off_t off = 0x100; off; off = header >> 20) {
		if (pread(gun->cdev, &header, 4, config + off) != 4)
			give_up("config space");
		if ((header & 0xffff) != ATS_CAP)
			continue;
		*at = config + off + 6;
		if (pread(gun->cdev, &control, 2, *at) != 2)
			give_up("config space");
		return control;
	}
	return -1;
}

static bool given_up(const struct gun *gun)
{
	return gun_get32(gun, IOAS_TLPGUN_STATUS) & IOAS_TLPGUN_UNTRANSLATABLE;
}

static void what_programs_see(int fd, const struct gun *gun, const struct gun *plain)
{
	off_t at;

	check("one of them has ATS", NO_ATS(fd, gun), 0);
	check("the other one has not", NO_ATS(fd, plain), 1);
	check("it has no capability", ats_control(plain, &at), -1);
	check("that one's is off while nothing is attached", ats_control(gun, &at), 0);
}

static void attached(const struct gun *gun, struct place *place)
{
	off_t at;

	check("before, ATS is off", gun_write(gun, BY_ATS, IOVA, 1), IOAS_FAULT_TRANSLATED);
	check("attach", gun_attach(gun, place->ioas), 0);
	check("it is on", ats_control(gun, &at), 0x8000);
	check("no program switches it off", pwrite(gun->cdev, &(uint16_t){0}, 2, at), 2);
	check("it is on yet", ats_control(gun, &at), 0x8000);
	check("a write by a translation", gun_write(gun, BY_ATS, IOVA, 0x11), IOAS_FAULT_NONE);
	check("landed", (long)place->page[0], 0x11);
	check("which the device has now", (long)gun_get64(gun, IOAS_TLPGUN_HELD), 1);
	check("a read too", (long)gun_read(gun, BY_ATS, IOVA), 0x11);
}

static void unmapped(int fd, const struct gun *gun, struct place *place)
{
	check("unmap", unmap(fd, place->ioas, IOVA, PAGE, NULL), 0);
	check("the device gave it back", (long)gun_get64(gun, IOAS_TLPGUN_HELD), 0);
	check("and sends no more", gun_write(gun, BY_ATS, IOVA, 0x12), IOAS_FAULT_NONE);
	check("since there is no translation", given_up(gun), 1);
	check("map", map_fixed(fd, place->ioas, (void *)place->page, IOVA, PAGE), 0);
	check("it asks again", gun_write(gun, BY_ATS, IOVA, 0x13), IOAS_FAULT_NONE);
	check("and writes", (long)place->page[0], 0x13);
}

/* A device that breaks the promise. */
static void kept(int fd, const struct gun *gun, struct place *place, struct place *other)
{
	gun_set32(gun, IOAS_TLPGUN_ATS_CTRL, IOAS_TLPGUN_KEEP);
	check("unmap, which it pretends to obey", unmap(fd, place->ioas, IOVA, PAGE, NULL), 0);
	place->page[0] = 0x20;
	check("its write is refused", gun_write(gun, BY_ATS, IOVA, 0x21), IOAS_FAULT_NOT_HELD);
	check("no byte of it landed", (long)place->page[0], 0x20);
	check("the record names UNMAP", recorded(gun, "\"taken_by\":\"UNMAP\""), 1);
	check("replace", gun_attach(gun, other->ioas), 0);
	check("map", map_fixed(fd, place->ioas, (void *)place->page, IOVA, PAGE), 0);
	gun_set32(gun, IOAS_TLPGUN_ATS_CTRL, 0);
	check("reset", call(gun->cdev, VFIO_DEVICE_RESET, NULL), 0);
	check("a good one again", gun_write(gun, BY_ATS, IOVA, 0x22), IOAS_FAULT_NONE);
	check("in the other space", (long)other->page[0], 0x22);
	gun_set32(gun, IOAS_TLPGUN_ATS_CTRL, IOAS_TLPGUN_KEEP);
	check("replace, which it ignores", gun_attach(gun, place->ioas), 0);
	check("refused", gun_write(gun, BY_ATS, IOVA, 0x23), IOAS_FAULT_NOT_HELD);
	check("by the replace", recorded(gun, "\"taken_by\":\"a replace\""), 1);
	check("neither changed", other->page[0] == 0x22 && place->page[0] == 0x20, 1);
}

static void of_pasids(const struct gun *gun, uint32_t table, struct place *other)
{
	check("reset", call(gun->cdev, VFIO_DEVICE_RESET, NULL), 0);
	check("detach", gun_detach(gun), 0);
	check("PASID 5", gun_attach_pasid(gun, 5, table), 0);
	check("by it", gun_write(gun, TAGGED_BY_ATS(5), IOVA, 0x31), IOAS_FAULT_NONE);
	check("landed", (long)other->page[0], 0x31);
	gun_set32(gun, IOAS_TLPGUN_ATS_CTRL, IOAS_TLPGUN_KEEP);
	check("detach it", gun_detach_pasid(gun, 5), 0);
	check("with which ATS ends", gun_write(gun, TAGGED_BY_ATS(5), IOVA, 0x32),
	      IOAS_FAULT_TRANSLATED);
	check("no byte of it landed", (long)other->page[0], 0x31);
}

/* The run has a short --set ats-timeout. */
static void silent(int fd, const struct gun *gun, struct place *place)
{
	check("reset", call(gun->cdev, VFIO_DEVICE_RESET, NULL), 0);
	check("attach", gun_attach(gun, place->ioas), 0);
	check("write", gun_write(gun, BY_ATS, IOVA, 0x41), IOAS_FAULT_NONE);
	gun_set32(gun, IOAS_TLPGUN_ATS_CTRL, IOAS_TLPGUN_SILENT);
	check("unmap returns", unmap(fd, place->ioas, IOVA, PAGE, NULL), 0);
	check("it is on record",
	      *traced("\"event\":\"fault\"", "did not answer an invalidation in time") != 0, 1);
	check("nothing of it passes", gun_write(gun, BY_ATS, IOVA, 0x42), IOAS_FAULT_ATS_BLOCKED);
	check("map", map_fixed(fd, place->ioas, (void *)place->page, IOVA, PAGE), 0);
	check("untranslated requests do", gun_write(gun, UNTAGGED, IOVA, 0x43), IOAS_FAULT_NONE);
	check("a reset ends it", call(gun->cdev, VFIO_DEVICE_RESET, NULL), 0);
	check("write", gun_write(gun, BY_ATS, IOVA, 0x44), IOAS_FAULT_NONE);
	check("landed", (long)place->page[0], 0x44);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun gun = gun_ready("0000:01:00.0", fd), plain = gun_ready("0000:02:00.0", fd);
	struct place place = place_new(fd, 0xa), other = place_new(fd, 0xb);
	uint32_t table = gun_table(&gun, fd, other.ioas);

	what_programs_see(fd, &gun, &plain);
	attached(&gun, &place);
	unmapped(fd, &gun, &place);
	kept(fd, &gun, &place, &other);
	of_pasids(&gun, table, &other);
	silent(fd, &gun, &place);
	check("the plain one has no cache", gun_write(&plain, BY_ATS, IOVA, 1), IOAS_FAULT_NONE);
	check("so that it is not sent",
	      !!(gun_get32(&plain, IOAS_TLPGUN_STATUS) & IOAS_TLPGUN_INVALID), 1);
	return check_done();
}
