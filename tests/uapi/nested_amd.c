/* SPDX-License-Identifier: MIT */
/*
 * IOMMU_HWPT_ALLOC with AMD's guest data, and IOMMU_HWPT_INVALIDATE of it in AMD's commands. Where
 * the IOMMU is another, or does not nest, there is nothing to see.
 */
#include <ioas/uapi_ext.h>
#include "iommufd.h"
#include "vfio.h"

#define V    1ull
#define GIOV (1ull << 54)
#define GV   (1ull << 55)

static int fd, cdev;
static uint32_t dev, parent;

/* An id, or -errno. */
static long guest(uint64_t dte0, uint64_t dte1, uint64_t dte2, uint32_t flags, uint32_t len)
{
	uint64_t data[6] = {dte0, dte1, dte2};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .dev_id = dev,
				       .pt_id = parent,
				       .data_type = IOMMU_HWPT_DATA_AMD_GUEST,
				       .data_len = len,
				       .data_uptr = (uintptr_t)data};
	long rc = call(fd, IOMMU_HWPT_ALLOC, &cmd);

	return rc ? rc : cmd.out_hwpt_id;
}

static void data_of_it(void)
{
	static const struct {
		const char *what;
		uint64_t dte[3];
		long rc;
	} all[] = {
		{"a host page table's mode", {V | GV | 1ull << 9, 1 << 16}, -EINVAL},
		{"a host page table", {V | GV | 1ull << 12, 1 << 16}, -EINVAL},
		{"no GCR3 table", {V | GV}, -EINVAL},
		{"a mode that is reserved", {V | GV, 1 << 16, 2ull << 54}, -EINVAL},
		{"four levels of GCR3 table", {V | GV | 3ull << 56, 1 << 16}, -EINVAL},
		{"more levels than there are", {V | GV, 1 << 16, 1ull << 54}, -EOPNOTSUPP},
		{"an entry that is not valid", {0}, 0},
		{"no guest translation", {V}, 0},
		{"three levels of GCR3 table", {V | GV | GIOV | 2ull << 56, 1 << 16}, 0},
	};
	uint32_t size = sizeof(struct iommu_hwpt_amd_guest);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		long id = guest(all[i].dte[0], all[i].dte[1], all[i].dte[2], 0, size);

		check(all[i].what, id > 0 ? 0 : id, all[i].rc);
		if (id > 0)
			check("  destroy", destroy(fd, (uint32_t)id), 0);
	}
	check("too short", guest(V, 0, 0, 0, size - 8), -EINVAL);
	check("too long", guest(V, 0, 0, 0, size + 8), -EINVAL);
	check("for PASIDs", guest(V, 0, 0, IOMMU_HWPT_ALLOC_PASID, size), -EOPNOTSUPP);
}

/* It has all PASIDs of the device: none is attached by itself, before or after. */
static void pasids(void)
{
	uint32_t id = (uint32_t)guest(V | GV, 1 << 16, 0, 0, 32), pt = id;
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd), .flags = VFIO_DEVICE_ATTACH_PASID, .pt_id = id, .pasid = 1};

	check("a PASID to it", call(cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd), -EINVAL);
	check("all to it", attach(cdev, &pt), 0);
	check("a PASID to it then", call(cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd), -EINVAL);
	check("in use", destroy(fd, id), -EBUSY);
	check("detach", detach(cdev), 0);
	check("destroy", destroy(fd, id), 0);
}

static long invalidate(uint32_t id, uint32_t type, const struct ioas_amd_command *commands,
		       uint32_t nr, uint32_t *done)
{
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = id,
					    .data_uptr = (uintptr_t)commands,
					    .data_type = type,
					    .entry_len = sizeof(*commands),
					    .entry_num = nr};
	long rc = call(fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*done = cmd.entry_num;
	return rc;
}

static void invalidations(void)
{
	static const struct {
		const char *what;
		struct ioas_amd_command command;
		long rc;
	} all[] = {
		{"pages of a PASID", {{3ull << 60 | 7ull << 32 | 5, 0x1000 | 4}}, 0},
		{"all of them", {{3ull << 60, 0x7ffffffffffff000 | 7}}, 0},
		{"a device", {{2ull << 60 | 0x100, 0}}, 0},
		{"everything", {{8ull << 60, 0}}, 0},
		{"a wait", {{1ull << 60, 0}}, -EOPNOTSUPP},
		{"nothing", {{0, 0}}, -EOPNOTSUPP},
		{"reserved bits", {{3ull << 60 | 1ull << 20, 0}}, -EINVAL},
		{"and in the second word", {{2ull << 60, 1}}, -EINVAL},
	};
	uint32_t id = (uint32_t)guest(V | GV, 1 << 16, 0, 0, 32), done;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		check(all[i].what,
		      invalidate(id, IOAS_HWPT_INVALIDATE_DATA_AMD, &all[i].command, 1, &done),
		      all[i].rc);
		check("  done", done, !all[i].rc);
	}
	check("in VT-d's words", invalidate(id, 0, &all[0].command, 1, &done), -EINVAL);
	check("destroy", destroy(fd, id), 0);
}

int main(void)
{
	struct iommu_hw_info_amd amd = {0};
	struct iommu_hw_info info = {
		.size = sizeof(info), .data_uptr = (uintptr_t)&amd, .data_len = sizeof(amd)};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd), .flags = IOMMU_HWPT_ALLOC_NEST_PARENT};
	long rc;

	fd = open_or_skip("/dev/iommu");
	cdev = open_cdev();
	check("VFIO_DEVICE_BIND_IOMMUFD", bind_iommufd(cdev, fd, &dev), 0);
	info.dev_id = dev;
	check("IOMMU_GET_HW_INFO", call(fd, IOMMU_GET_HW_INFO, &info), 0);
	cmd.dev_id = dev;
	cmd.pt_id = ioas_alloc(fd);
	rc = call(fd, IOMMU_HWPT_ALLOC, &cmd);
	if (info.out_data_type != IOMMU_HW_INFO_TYPE_AMD || rc == -EOPNOTSUPP) {
		printf("SKIP: no AMD IOMMU that nests\n");
		return EXIT_SKIP;
	}
	check("nest parent", rc, 0);
	parent = cmd.out_hwpt_id;
	data_of_it();
	pasids();
	invalidations();
	check("the parent", destroy(fd, parent), 0);
	return check_done();
}
