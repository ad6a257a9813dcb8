/* SPDX-License-Identifier: MIT */
/* IOMMU_OPTION and IOMMU_VFIO_IOAS. */
#include "iommufd.h"

static int fd;

static long option(uint32_t id, uint16_t op, uint32_t object, uint64_t value)
{
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = id,
				   .op = op,
				   .object_id = object,
				   .val64 = value};

	return call(fd, IOMMU_OPTION, &cmd);
}

static long option_get(uint32_t id, uint32_t object)
{
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = id,
				   .op = IOMMU_OPTION_OP_GET,
				   .object_id = object,
				   .val64 = 77};
	long rc = call(fd, IOMMU_OPTION, &cmd);

	return rc ? rc : (long)cmd.val64;
}

/* CAP_SYS_RESOURCE, which root in a container may lack. */
static int may_change_limits(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (status)
		fclose(status);
	return caps >> 24 & 1;
}

int main(void)
{
	struct iommu_option reserved = {.size = sizeof(reserved), .__reserved = 1};
	struct iommu_vfio_ioas vfio = {.size = sizeof(vfio), .op = IOMMU_VFIO_IOAS_GET};
	uint8_t *mem = memory(2 * PAGE);
	uint32_t ioas;

	fd = open_or_skip("/dev/iommu");
	EXPECT(fd, IOMMU_OPTION, &reserved, -EOPNOTSUPP, "reserved field");
	check("unknown option", option(99, IOMMU_OPTION_OP_SET, 0, 0), -EOPNOTSUPP);
	check("limit mode", option_get(IOMMU_OPTION_RLIMIT_MODE, 0), 0);
	check("limit mode of an object", option_get(IOMMU_OPTION_RLIMIT_MODE, 1), -EOPNOTSUPP);
	check("unknown operation", option(IOMMU_OPTION_RLIMIT_MODE, 9, 0, 0), -EOPNOTSUPP);

	check("huge pages of nothing", option_get(IOMMU_OPTION_HUGE_PAGES, 99), -ENOENT);
	ioas = ioas_alloc(fd);
	check("limit mode after an object",
	      option(IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, 1) ==
		      (may_change_limits() ? -EBUSY : -EPERM),
	      1);
	check("huge pages", option_get(IOMMU_OPTION_HUGE_PAGES, ioas), 1);
	check("a value of 2", option(IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, 2),
	      -EINVAL);
	check("off", option(IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, 0), 0);
	check("is off", option_get(IOMMU_OPTION_HUGE_PAGES, ioas), 0);
	check("off twice", option(IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, 0), 0);
	check("pages only, now", map_fixed(fd, ioas, mem, 0x10010, PAGE), -EINVAL);
	check("on", option(IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, 1), 0);
	check("is on", option_get(IOMMU_OPTION_HUGE_PAGES, ioas), 1);

	EXPECT(fd, IOMMU_VFIO_IOAS, &vfio, -ENODEV, "get: none yet");
	vfio.op = IOMMU_VFIO_IOAS_SET;
	vfio.ioas_id = 99;
	EXPECT(fd, IOMMU_VFIO_IOAS, &vfio, -ENOENT, "set: no such ioas");
	vfio.ioas_id = ioas;
	EXPECT(fd, IOMMU_VFIO_IOAS, &vfio, 0, "set");
	vfio.op = IOMMU_VFIO_IOAS_GET;
	vfio.ioas_id = 0;
	EXPECT(fd, IOMMU_VFIO_IOAS, &vfio, 0, "get");
	check("the same", vfio.ioas_id, ioas);
	vfio.op = IOMMU_VFIO_IOAS_CLEAR;
	EXPECT(fd, IOMMU_VFIO_IOAS, &vfio, 0, "clear");
	EXPECT(fd, IOMMU_VFIO_IOAS, &vfio, 0, "clear twice");
	vfio.op = 9;
	EXPECT(fd, IOMMU_VFIO_IOAS, &vfio, -EOPNOTSUPP, "unknown operation");
	return check_done();
}
