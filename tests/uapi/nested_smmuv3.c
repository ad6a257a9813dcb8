/* SPDX-License-Identifier: MIT */
/*
 * A guest's share of an SMMUv3: IOMMU_HWPT_ALLOC with a stream table entry, who may be attached to
 * that, IOMMU_HWPT_INVALIDATE with commands. Two SMMUv3s are asked for, with a device each; where
 * the IOMMU is another, or does not nest, there is nothing to see.
 */
#include <stdbool.h>
#include "iommufd.h"
#include "vfio.h"

#define STREAM	 0x55
#define STAGE1	 (1ull | 5 << 1) /* V, Config */
#define ALLOWED0 0xf8ffffffffffffffull
#define ALLOWED1 0x380000ffull

static int fd, cdev[2];
static uint32_t dev[2], ioas, parent, viommu;

/* An id, or -errno. */
static long hwpt(uint32_t pt, uint32_t flags, uint32_t type, const void *data, uint32_t len)
{
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .dev_id = dev[0],
				       .pt_id = pt,
				       .data_type = type,
				       .data_len = len,
				       .data_uptr = (uintptr_t)data};
	long rc = call(fd, IOMMU_HWPT_ALLOC, &cmd);

	return rc ? rc : cmd.out_hwpt_id;
}

static long nested(uint32_t pt, uint32_t flags, uint64_t word0, uint64_t word1)
{
	struct iommu_hwpt_arm_smmuv3 data = {.ste = {word0, word1}};

	return hwpt(pt, flags, IOMMU_HWPT_DATA_ARM_SMMUV3, &data, sizeof(data));
}

/* 0 and it is gone again, or -errno. */
static long tried(uint64_t word0, uint64_t word1)
{
	long id = nested(viommu, 0, word0, word1);

	return id > 0 ? destroy(fd, (uint32_t)id) : id;
}

static long viommu_alloc(uint32_t device, uint32_t pt, uint32_t type)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd), .type = type, .dev_id = device, .hwpt_id = pt};
	long rc = call(fd, IOMMU_VIOMMU_ALLOC, &cmd);

	return rc ? rc : cmd.out_viommu_id;
}

static long vdevice_alloc(uint32_t device, uint64_t virt_id)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = viommu, .dev_id = device, .virt_id = virt_id};
	long rc = call(fd, IOMMU_VDEVICE_ALLOC, &cmd);

	return rc ? rc : cmd.out_vdevice_id;
}

static void shares(void)
{
	uint32_t plain = (uint32_t)hwpt(ioas, 0, 0, NULL, 0);

	/* What a parent is not besides. */
	check("a parent that tracks",
	      hwpt(ioas, IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0, NULL,
		   0),
	      -EOPNOTSUPP);
	check("a parent for PASIDs",
	      hwpt(ioas, IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID, 0, NULL, 0),
	      -EOPNOTSUPP);
	check("another's type", viommu_alloc(dev[0], parent, IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV),
	      -EOPNOTSUPP);
	check("on no nest parent", viommu_alloc(dev[0], plain, IOMMU_VIOMMU_TYPE_ARM_SMMUV3),
	      -EINVAL);
	viommu = (uint32_t)viommu_alloc(dev[0], parent, IOMMU_VIOMMU_TYPE_ARM_SMMUV3);
	check("a share", (int32_t)viommu > 0, 1);
	check("the parent is in use", destroy(fd, parent), -EBUSY);
	/* Only a share has page tables of a guest's. */
	check("on the parent itself", nested(parent, 0, STAGE1, 0), -EOPNOTSUPP);
	check("on an IOAS", nested(ioas, 0, STAGE1, 0), -EOPNOTSUPP);
	check("on a plain page table", nested(plain, 0, STAGE1, 0), -EOPNOTSUPP);
	check("destroy", destroy(fd, plain), 0);
}

static void data_of_it(void)
{
	struct iommu_hwpt_arm_smmuv3 data = {.ste = {STAGE1}};
	uint64_t longer[3] = {STAGE1};
	const uint32_t type = IOMMU_HWPT_DATA_ARM_SMMUV3, len = sizeof(data);

	check("for PASIDs", nested(viommu, IOMMU_HWPT_ALLOC_PASID, STAGE1, 0), -EOPNOTSUPP);
	check("that tracks", nested(viommu, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, STAGE1, 0),
	      -EOPNOTSUPP);
	check("without data", hwpt(viommu, 0, 0, NULL, 0), -EOPNOTSUPP);
	check("VT-d's data", hwpt(viommu, 0, IOMMU_HWPT_DATA_VTD_S1, &data, len), -EINVAL);
	check("too short", hwpt(viommu, 0, type, &data, len - 8), -EINVAL);
	check("too long", hwpt(viommu, 0, type, longer, sizeof(longer)), -EINVAL);
	check("nowhere", hwpt(viommu, 0, type, WILD, len), -EFAULT);
}

/* Which bits are the guest's to say. Where the entry is not valid, none counts. */
static void entries(void)
{
	long wrong = 0;

	for (unsigned bit = 4; bit < 64; bit++) {
		uint64_t value = 1ull << bit;

		wrong += tried(STAGE1 | value, 0) != (ALLOWED0 & value ? 0 : -EIO);
		if (bit != 29) /* EATS 2 */
			wrong += tried(STAGE1, value) != (ALLOWED1 & value ? 0 : -EIO);
	}
	check("bits that are refused or taken against the list", wrong, 0);
	for (unsigned config = 0; config < 8; config++)
		wrong += tried(1 | config << 1, 0) !=
			 (config == 0 || config == 4 || config == 5 ? 0 : -EIO);
	check("ways to go, likewise", wrong, 0);
	for (unsigned eats = 0; eats < 4; eats++)
		wrong += tried(STAGE1, (uint64_t)eats << 28) != (eats < 2 ? 0 : -EIO);
	check("ATS, likewise", wrong, 0);
	check("all bits but V", tried(~1ull, ~0ull), 0);
}

static void attaching(void)
{
	uint32_t stage1 = (uint32_t)nested(viommu, 0, STAGE1, 0), id = stage1, first;
	uint32_t bypass = (uint32_t)nested(viommu, 0, 1 | 4 << 1, 0);
	uint32_t none = (uint32_t)nested(viommu, 0, 0, 0);

	check("the guest does not know it", attach(cdev[0], &id), -ENOENT);
	id = bypass;
	check("it need not, for bypass", attach(cdev[0], &id), 0);
	id = none;
	check("or for no traffic", attach(cdev[0], &id), 0);
	check("of another SMMUv3", vdevice_alloc(dev[1], STREAM), -EINVAL);
	first = (uint32_t)vdevice_alloc(dev[0], STREAM);
	check("as the guest knows it", (int32_t)first > 0, 1);
	id = stage1;
	check("the guest knows it", attach(cdev[0], &id), 0);
	id = bypass;
	check("a device of another SMMUv3", attach(cdev[1], &id), -EINVAL);
	check("in use", destroy(fd, stage1), -EBUSY);
	check("the name is not", destroy(fd, first), 0);
	check("detach", detach(cdev[0]), 0);
	check("destroy", destroy(fd, stage1) | destroy(fd, bypass) | destroy(fd, none), 0);
}

/* All PASIDs go where requests without one go. */
static void pasids(void)
{
	uint32_t table = (uint32_t)hwpt(ioas, IOMMU_HWPT_ALLOC_PASID, 0, NULL, 0), id;
	uint32_t bypass = (uint32_t)nested(viommu, 0, 1 | 4 << 1, 0);
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = sizeof(cmd),
						    .flags = VFIO_DEVICE_ATTACH_PASID,
						    .pt_id = bypass,
						    .pasid = 5};
	struct vfio_device_detach_iommufd_pt end = {
		.argsz = sizeof(end), .flags = VFIO_DEVICE_DETACH_PASID, .pasid = 5};

	EXPECT(cdev[0], VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd, -EINVAL, "a PASID to a nested one");
	id = bypass;
	check("those without one", attach(cdev[0], &id), 0);
	cmd.pt_id = table;
	EXPECT(cdev[0], VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd, -EINVAL, "a PASID beside it");
	id = table;
	check("to a table for PASIDs", attach(cdev[0], &id), 0);
	EXPECT(cdev[0], VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd, 0, "a PASID beside that");
	id = bypass;
	check("then not to a nested one", attach(cdev[0], &id), -EINVAL);
	EXPECT(cdev[0], VFIO_DEVICE_DETACH_IOMMUFD_PT, &end, 0, "no PASID");
	check("detach", detach(cdev[0]), 0);
	check("destroy", destroy(fd, bypass) | destroy(fd, table), 0);
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

/* All opcodes, each with the StreamID of a device and with another. */
static void commands_there_are(void)
{
	static const uint8_t any[] = {0x10, 0x11, 0x12, 0x13, 0x30}, named[] = {0x05, 0x06, 0x40};
	const uint32_t type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3;
	long wrong = 0;

	for (unsigned op = 0; op < 256; op++)
		for (unsigned known = 0; known < 2; known++) {
			struct iommu_viommu_arm_smmuv3_invalidate one = {
				.cmd = {op | (known ? STREAM : STREAM + 1ull) << 32}};
			bool good = memchr(any, (int)op, sizeof(any)) ||
				    (known && memchr(named, (int)op, sizeof(named)));
			uint32_t done;

			wrong += invalidate(viommu, type, &one, sizeof(one), 1, &done) !=
				 (good ? 0 : -EIO);
			wrong += done != (good ? 1u : 0u);
		}
	check("commands that are refused or taken against the list", wrong, 0);
}

static void invalidations(void)
{
	const uint32_t type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3;
	struct iommu_viommu_arm_smmuv3_invalidate four[4] = {
		{{0x10}}, {{0x05 | (uint64_t)STREAM << 32}}, {{0x04}}, {{0x10}}};
	uint32_t id = (uint32_t)nested(viommu, 0, STAGE1, 0), done, len = sizeof(four[0]);
	uint32_t vdevice = (uint32_t)vdevice_alloc(dev[0], STREAM);
	uint64_t longer[2][3] = {{0x10, 0, 0}, {0x10, 0, 1}};

	commands_there_are();
	check("the third of four", invalidate(viommu, type, four, len, 4, &done), -EIO);
	check("  two were done", done, 2);
	check("none", invalidate(viommu, type, four, len, 0, &done), -EINVAL);
	check("another type", invalidate(viommu, 0, four, len, 1, &done), -EINVAL);
	check("  nothing was done", done, 0);
	check("the first word alone", invalidate(viommu, type, four, 8, 1, &done), 0);
	check("longer ones", invalidate(viommu, type, longer, sizeof(longer[0]), 2, &done), -E2BIG);
	check("  nothing was done", done, 0);
	check("if the rest is 0", invalidate(viommu, type, longer, sizeof(longer[0]), 1, &done), 0);
	check("nowhere", invalidate(viommu, type, WILD, len, 1, &done), -EFAULT);
	check("of the page table", invalidate(id, type, four, len, 1, &done), -EOPNOTSUPP);
	check("destroy", destroy(fd, id) | destroy(fd, vdevice), 0);
	check("its StreamID has gone", invalidate(viommu, type, &four[1], len, 1, &done), -EIO);
}

static void events(void)
{
	struct iommu_veventq_alloc cmd = {.size = sizeof(cmd),
					  .viommu_id = viommu,
					  .type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
					  .veventq_depth = 4};
	char record[sizeof(struct iommufd_vevent_header) + sizeof(struct iommu_vevent_arm_smmuv3)];

	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &cmd, 0, "a queue of events");
	check("nothing yet", read((int)cmd.out_veventq_fd, record, sizeof(record)), 0);
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &cmd, -EEXIST, "another");
	check("the share is in use", destroy(fd, viommu), -EBUSY);
	close((int)cmd.out_veventq_fd);
	check("destroy", destroy(fd, cmd.out_veventq_id), 0);
}

/* Opens the devices in their order. */
static unsigned open_both(void)
{
	char path[64];
	unsigned nr = 0;

	for (unsigned i = 0; i < 256 && nr < 2; i++) {
		snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%u", i);
		cdev[nr] = open(path, O_RDWR | O_CLOEXEC);
		nr += cdev[nr] >= 0;
	}
	return nr;
}

int main(void)
{
	struct iommu_hw_info_arm_smmuv3 smmu = {0};
	struct iommu_hw_info info = {
		.size = sizeof(info), .data_uptr = (uintptr_t)&smmu, .data_len = sizeof(smmu)};
	unsigned nr = open_both();

	fd = open_or_skip("/dev/iommu");
	for (unsigned i = 0; i < nr; i++)
		check("VFIO_DEVICE_BIND_IOMMUFD", bind_iommufd(cdev[i], fd, &dev[i]), 0);
	info.dev_id = dev[0];
	if (nr < 2 || call(fd, IOMMU_GET_HW_INFO, &info) ||
	    info.out_data_type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3 || (smmu.idr[0] & 3) != 3) {
		printf("SKIP: no two SMMUv3s that nest\n");
		return EXIT_SKIP;
	}
	ioas = ioas_alloc(fd);
	parent = (uint32_t)hwpt(ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0, NULL, 0);
	shares();
	data_of_it();
	entries();
	attaching();
	pasids();
	invalidations();
	events();
	check("the share", destroy(fd, viommu), 0);
	check("the parent", destroy(fd, parent), 0);
	return check_done();
}
