/* SPDX-License-Identifier: MIT */
/*
 * IOMMU_HWPT_ALLOC with VT-d's first-stage data, and IOMMU_HWPT_INVALIDATE of it. Where the IOMMU
 * is another, or does not nest, there is nothing to see.
 */
#include "iommufd.h"
#include "vfio.h"

static int fd;
static uint32_t dev, ioas, parent;

/* An id, or -errno. */
static long hwpt(uint32_t pt, uint32_t flags, uint32_t type, const void *data, uint32_t len)
{
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .dev_id = dev,
				       .pt_id = pt,
				       .data_type = type,
				       .data_len = len,
				       .data_uptr = (uintptr_t)data};
	long rc = call(fd, IOMMU_HWPT_ALLOC, &cmd);

	return rc ? rc : cmd.out_hwpt_id;
}

static long first_stage(uint32_t pt, uint32_t flags, const struct iommu_hwpt_vtd_s1 *data)
{
	return hwpt(pt, flags, IOMMU_HWPT_DATA_VTD_S1, data, sizeof(*data));
}

static void parents(void)
{
	uint32_t plain = (uint32_t)hwpt(ioas, 0, 0, NULL, 0), type = IOMMU_HWPT_DATA_VTD_S1;
	struct iommu_hwpt_vtd_s1 data = {.addr_width = 48};

	check("on an IOAS", hwpt(ioas, 0, type, &data, sizeof(data)), -EOPNOTSUPP);
	check("on no parent", first_stage(plain, 0, &data), -EINVAL);
	check("a parent as its own", first_stage(parent, IOMMU_HWPT_ALLOC_NEST_PARENT, &data),
	      -EOPNOTSUPP);
	check("that tracks", first_stage(parent, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &data),
	      -EOPNOTSUPP);
	check("without data", hwpt(parent, 0, 0, NULL, 0), -EOPNOTSUPP);
	check("Arm's data", hwpt(parent, 0, IOMMU_HWPT_DATA_ARM_SMMUV3, &data, sizeof(data)),
	      -EOPNOTSUPP);
	check("destroy", destroy(fd, plain), 0);
}

static void data_of_it(void)
{
	struct iommu_hwpt_vtd_s1 data = {.addr_width = 48};
	char longer[sizeof(data) + 8] = {0};
	long id;

	check("too short", hwpt(parent, 0, IOMMU_HWPT_DATA_VTD_S1, &data, sizeof(data) - 4),
	      -EINVAL);
	memcpy(longer, &data, sizeof(data));
	check("too long", hwpt(parent, 0, IOMMU_HWPT_DATA_VTD_S1, longer, sizeof(longer)), -EINVAL);
	check("nowhere", hwpt(parent, 0, IOMMU_HWPT_DATA_VTD_S1, WILD, sizeof(data)), -EFAULT);
	data.addr_width = 39;
	check("three levels", first_stage(parent, 0, &data), -EINVAL);
	data.addr_width = 57;
	data.flags = IOMMU_VTD_S1_SRE | IOMMU_VTD_S1_EAFE | IOMMU_VTD_S1_WPE;
	id = first_stage(parent, 0, &data);
	check("five levels and all flags", id > 0, 1);
	check("is no parent", first_stage((uint32_t)id, 0, &data), -EINVAL);
	check("destroy", destroy(fd, (uint32_t)id), 0);
	data.flags = 1u << 3;
	check("an unknown flag", first_stage(parent, 0, &data), -EOPNOTSUPP);
	data.flags = 0;
	data.__reserved = 1;
	check("a reserved field", first_stage(parent, 0, &data), -EOPNOTSUPP);
}

static long invalidate(uint32_t id, uint32_t type, const void *entries, uint32_t len, uint32_t nr,
		       uint32_t *done)
{
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = id,
					    .data_uptr = (uintptr_t)entries,
					    .data_type = type,
					    .entry_len = len,
					    .entry_num = nr};
	long rc = call(fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*done = cmd.entry_num;
	return rc;
}

static void invalidations(void)
{
	static const struct {
		const char *what;
		struct iommu_hwpt_vtd_s1_invalidate entry;
		long rc;
	} all[] = {
		{"a page", {.addr = PAGE, .npages = 1}, 0},
		{"its leaf", {.npages = 7, .flags = IOMMU_VTD_INV_FLAGS_LEAF}, 0},
		{"none", {.addr = PAGE}, 0},
		{"everything", {.npages = UINT64_MAX}, 0},
		{"a part of a page", {.addr = 8, .npages = 1}, -EINVAL},
		{"everything but", {.addr = PAGE, .npages = UINT64_MAX}, -EINVAL},
		{"an unknown flag", {.npages = 1, .flags = 2}, -EOPNOTSUPP},
		{"a reserved field", {.npages = 1, .__reserved = 1}, -EOPNOTSUPP},
	};
	struct iommu_hwpt_vtd_s1 data = {.addr_width = 48};
	struct iommu_hwpt_vtd_s1_invalidate three[3] = {{.npages = 1}, {.addr = 1}, {.npages = 1}};
	uint32_t id = (uint32_t)first_stage(parent, 0, &data), done, size = sizeof(three[0]);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		check(all[i].what, invalidate(id, 0, &all[i].entry, size, 1, &done), all[i].rc);
		check("  done", done, !all[i].rc);
	}
	check("the second of three", invalidate(id, 0, three, size, 3, &done), -EINVAL);
	check("  one was done", done, 1);
	check("another type", invalidate(id, 1, three, size, 1, &done), -EINVAL);
	check("entries too short", invalidate(id, 0, three, size - 4, 1, &done), -EINVAL);
	check("nothing to do", invalidate(id, 0, NULL, 0, 0, &done), 0);
	check("entries nowhere", invalidate(id, 0, WILD, size, 1, &done), -EFAULT);
	check("of a page table on an IOAS", invalidate(parent, 0, three, size, 1, &done), -EINVAL);
	check("destroy", destroy(fd, id), 0);
}

int main(void)
{
	struct iommu_hw_info_vtd vtd = {0};
	struct iommu_hw_info info = {
		.size = sizeof(info), .data_uptr = (uintptr_t)&vtd, .data_len = sizeof(vtd)};
	int cdev;

	fd = open_or_skip("/dev/iommu");
	cdev = open_cdev();
	check("VFIO_DEVICE_BIND_IOMMUFD", bind_iommufd(cdev, fd, &dev), 0);
	info.dev_id = dev;
	check("IOMMU_GET_HW_INFO", call(fd, IOMMU_GET_HW_INFO, &info), 0);
	if (info.out_data_type != IOMMU_HW_INFO_TYPE_INTEL_VTD || !(vtd.ecap_reg >> 26 & 1)) {
		printf("SKIP: no VT-d that nests\n");
		return EXIT_SKIP;
	}
	ioas = ioas_alloc(fd);
	parent = (uint32_t)hwpt(ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0, NULL, 0);
	parents();
	data_of_it();
	invalidations();
	check("the parent", destroy(fd, parent), 0);
	return check_done();
}
