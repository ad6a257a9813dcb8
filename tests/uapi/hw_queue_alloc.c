/* SPDX-License-Identifier: MIT */
/* IOMMU_HW_QUEUE_ALLOC: its memory, which stays mapped, and the order of queues. */
#include "viommu.h"

static int fd;
static struct guest g;

static long alloc(uint32_t viommu, uint32_t index, uint64_t iova, uint64_t len, uint32_t *out)
{
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = viommu,
					   .type = TESTCMD_TYPE_HW_QUEUE,
					   .index = index,
					   .nesting_parent_iova = iova,
					   .length = len};
	long rc = call(fd, IOMMU_HW_QUEUE_ALLOC, &cmd);

	*out = cmd.out_hw_queue_id;
	return rc;
}

static void refusals(uint32_t viommu)
{
	struct iommu_hw_queue_alloc good = {.size = sizeof(good),
					    .viommu_id = viommu,
					    .type = TESTCMD_TYPE_HW_QUEUE,
					    .nesting_parent_iova = TEST_IOVA,
					    .length = PAGE},
				    cmd = good;

	cmd.flags = 1;
	EXPECT(fd, IOMMU_HW_QUEUE_ALLOC, &cmd, -EOPNOTSUPP, "unknown flag");
	cmd = good;
	cmd.type = 0;
	EXPECT(fd, IOMMU_HW_QUEUE_ALLOC, &cmd, -EOPNOTSUPP, "type 0");
	cmd = good;
	cmd.length = 0;
	cmd.viommu_id = 99;
	EXPECT(fd, IOMMU_HW_QUEUE_ALLOC, &cmd, -EINVAL, "length 0");
	cmd.length = UINT64_MAX;
	EXPECT(fd, IOMMU_HW_QUEUE_ALLOC, &cmd, -EOVERFLOW, "wraps");
	cmd.length = PAGE;
	EXPECT(fd, IOMMU_HW_QUEUE_ALLOC, &cmd, -ENOENT, "no viommu");
	cmd = good;
	cmd.type = 0x1234;
	EXPECT(fd, IOMMU_HW_QUEUE_ALLOC, &cmd, -EOPNOTSUPP, "unknown type");
	cmd = good;
	cmd.index = 9;
	EXPECT(fd, IOMMU_HW_QUEUE_ALLOC, &cmd, -ENOENT, "nothing mapped, no such index");
}

int main(void)
{
	uint8_t *mem = memory(2 * PAGE);
	uint32_t viommu, first, second;

	fd = open_guest_or_skip(&g);
	check("viommu", viommu_alloc(fd, g.dev.device, g.parent, &viommu), 0);
	refusals(viommu);
	check("map", map_fixed(fd, g.ioas, mem, TEST_IOVA, PAGE), 0);
	check("a hole at its end", alloc(viommu, 0, TEST_IOVA, PAGE + 1, &first), -ENOENT);
	check("half a page", map_fixed(fd, g.ioas, mem + PAGE, TEST_IOVA + 8 * PAGE, PAGE / 2), 0);
	check("not of whole pages", alloc(viommu, 0, TEST_IOVA, PAGE, &first), -EADDRINUSE);
	check("it goes", unmap(fd, g.ioas, TEST_IOVA + 8 * PAGE, PAGE / 2, NULL), 0);
	check("no such index", alloc(viommu, TESTCMD_HW_QUEUE_NR, TEST_IOVA, PAGE, &first),
	      -EINVAL);
	check("the second before the first", alloc(viommu, 1, TEST_IOVA, PAGE, &first), -EIO);
	check("the first", alloc(viommu, 0, TEST_IOVA, PAGE, &first), 0);
	check("again", alloc(viommu, 0, TEST_IOVA, PAGE, &second), -EEXIST);
	check("the second", alloc(viommu, 1, TEST_IOVA + 64, 64, &second), 0);
	check("the viommu stays", destroy(fd, viommu), -EBUSY);
	check("the first stays", destroy(fd, first), -EBUSY);
	check("its memory stays", unmap(fd, g.ioas, TEST_IOVA, PAGE, NULL), -EBUSY);
	check("all", unmap(fd, g.ioas, 0, UINT64_MAX, NULL), -EBUSY);
	check("the second goes", destroy(fd, second), 0);
	check("its memory stays", unmap(fd, g.ioas, TEST_IOVA, PAGE, NULL), -EBUSY);
	check("the first goes", destroy(fd, first), 0);
	check("so does the memory", unmap(fd, g.ioas, TEST_IOVA, PAGE, NULL), 0);
	check("nothing is mapped", alloc(viommu, 0, TEST_IOVA, PAGE, &first), -ENOENT);
	check("the viommu goes", destroy(fd, viommu), 0);
	return check_done();
}
