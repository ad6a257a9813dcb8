/* SPDX-License-Identifier: MIT */
/*
 * Description: what a device writes is in the dirty bitmap that the program reads, page by page, in
 * plain Linux uAPI. Under --check-dirty the run says so itself at its end (check_dirty.sh).
 */
#include "gun.h"

#define PAGES 64u

static int fd;
static uint32_t hwpt;

static uint32_t tracking_table(const struct gun *gun, uint32_t ioas)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.dev_id = gun->id,
		.pt_id = ioas,
	};

	check("a page table that tracks", call(fd, IOMMU_HWPT_ALLOC, &cmd), 0);
	return cmd.out_hwpt_id;
}

static void track(void)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd), .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE, .hwpt_id = hwpt};

	check("track", call(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd), 0);
}

static uint64_t get(void)
{
	uint64_t bits = 0;
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.iova = IOVA,
		.length = PAGES * PAGE,
		.page_size = PAGE,
		.data = (uintptr_t)&bits,
	};

	check("bitmap", call(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd), 0);
	return bits;
}

static void write_page(const struct gun *gun, unsigned page)
{
	check("write", gun_write(gun, UNTAGGED, IOVA + page * PAGE, page), IOAS_FAULT_NONE);
}

int main(void)
{
	struct gun gun;
	uint32_t ioas;

	fd = open_or_skip("/dev/iommu");
	gun = gun_ready("0000:01:00.0", fd);
	ioas = ioas_alloc(fd);
	check("map", map_fixed(fd, ioas, memory(PAGES * PAGE), IOVA, PAGES * PAGE), 0);
	hwpt = tracking_table(&gun, ioas);
	check("attach", gun_attach(&gun, hwpt), 0);
	write_page(&gun, 1);
	track();
	check("nothing is dirty when tracking begins", (long)get(), 0);
	for (unsigned page = 3; page < PAGES; page += 7)
		write_page(&gun, page);
	write_page(&gun, 3);
	check("those that were written", get() == 0x810204081020408ull, 1);
	check("once", (long)get(), 0);
	write_page(&gun, 3);
	check("and again", (long)get(), 1 << 3);
	return check_done();
}
