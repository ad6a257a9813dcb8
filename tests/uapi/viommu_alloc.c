/* SPDX-License-Identifier: MIT */
/* IOMMU_VIOMMU_ALLOC: what it needs, what hangs on it, and the memory that it lends. */
#include "viommu.h"

static int fd;
static struct guest g;

static void refusals(void)
{
	struct iommu_viommu_alloc good = {.size = sizeof(good),
					  .type = TESTCMD_TYPE_VIOMMU,
					  .dev_id = g.dev.device,
					  .hwpt_id = g.parent},
				  cmd = good;

	cmd.flags = 1;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -EOPNOTSUPP, "unknown flag");
	cmd = good;
	cmd.type = 0;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -EOPNOTSUPP, "type 0");
	cmd.type = 0x1234;
	cmd.hwpt_id = 99;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -EOPNOTSUPP, "unknown type, no page table");
	cmd.dev_id = 99;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -ENOENT, "no device");
	cmd = good;
	cmd.dev_id = g.dev.test;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -ENOENT, "not a device");
	cmd = good;
	cmd.hwpt_id = g.ioas;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -ENOENT, "an IOAS for a page table");
	cmd.hwpt_id = g.dev.hwpt;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -EINVAL, "not a nest parent");
	cmd = good;
	cmd.data_len = 4;
	cmd.data_uptr = (uintptr_t)&good;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -EINVAL, "data too short");
	cmd.data_len = 64;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -EINVAL, "data too long");
	cmd.data_len = sizeof(struct testcmd_viommu);
	cmd.data_uptr = (uintptr_t)WILD;
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, -EFAULT, "data nowhere");
}

static void keeping(void)
{
	uint32_t viommu, nested, moved;

	check("viommu", viommu_alloc(fd, g.dev.device, g.parent, &viommu), 0);
	check("its parent stays", destroy(fd, g.parent), -EBUSY);
	check("nested through it", nested_alloc(fd, viommu, g.dev.device, &nested), 0);
	check("it stays", destroy(fd, viommu), -EBUSY);
	check("attach, unknown to it", replace(fd, g.dev.test, nested, &moved), -ENOENT);
	check("the nested one goes", destroy(fd, nested), 0);
	check("it goes", destroy(fd, viommu), 0);
	check("it is gone", destroy(fd, viommu), -ENOENT);
	check("nothing can be nested through it", nested_alloc(fd, viommu, g.dev.device, &nested),
	      -EINVAL);
}

static long try_map(uint64_t offset, uint64_t len, int prot, int flags)
{
	void *at = mmap(NULL, len, prot, flags, fd, (off_t)offset);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, len);
	return 0;
}

static uint32_t with_memory(uint32_t word, struct testcmd_viommu *data)
{
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = TESTCMD_TYPE_VIOMMU,
					 .dev_id = g.dev.device,
					 .hwpt_id = g.parent,
					 .data_len = sizeof(*data),
					 .data_uptr = (uintptr_t)data};

	*data = (struct testcmd_viommu){.in_data = word};
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &cmd, 0, "with data");
	check("the word comes back", data->out_data == word, 1);
	return cmd.out_viommu_id;
}

static void lending(void)
{
	struct testcmd_viommu a, b;
	uint32_t first = with_memory(0xcafe, &a), second = with_memory(0xbeef, &b);
	uint64_t at = a.out_mmap_offset, len = a.out_mmap_length;
	uint32_t *words;

	check("where the first is", (long)at, PAGE);
	check("how long it is", (long)len, 2 * PAGE);
	check("where the second is", (long)b.out_mmap_offset, 3 * PAGE);
	check("map part", try_map(at, PAGE, PROT_READ, MAP_SHARED), -ENXIO);
	check("map the end", try_map(at + PAGE, PAGE, PROT_READ, MAP_SHARED), -ENXIO);
	check("map both", try_map(at, 2 * len, PROT_READ, MAP_SHARED), -ENXIO);
	check("map nothing", try_map(0x100000, len, PROT_READ, MAP_SHARED), -ENXIO);
	check("map privately", try_map(at, len, PROT_READ, MAP_PRIVATE), -EINVAL);
	check("map to run", try_map(at, len, PROT_READ | PROT_EXEC, MAP_SHARED), -EPERM);
	words = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);
	check("map", words != MAP_FAILED, 1);
	check("the word is there", words[0], 0xcafe);
	check("the rest is zero", words[1] || words[len / 4 - 1], 0);
	check("the viommu stays", destroy(fd, first), -EBUSY);
	check("the other goes", destroy(fd, second), 0);
	check("unmap half", munmap(words, PAGE), 0);
	check("the viommu stays", destroy(fd, first), -EBUSY);
	check("unmap the rest", munmap((char *)words + PAGE, PAGE), 0);
	check("the viommu goes", destroy(fd, first), 0);
	check("map what has gone", try_map(at, len, PROT_READ, MAP_SHARED), -ENXIO);
	first = with_memory(1, &a);
	check("the offset is free again", a.out_mmap_offset == at, 1);
	check("goes", destroy(fd, first), 0);
}

int main(void)
{
	fd = open_guest_or_skip(&g);
	refusals();
	keeping();
	lending();
	check("the parent goes", destroy(fd, g.parent), 0);
	return check_done();
}
