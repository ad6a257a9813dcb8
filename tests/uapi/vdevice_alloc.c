/* SPDX-License-Identifier: MIT */
/* IOMMU_VDEVICE_ALLOC: which ids a guest's devices may have, and what becomes of them. */
#include "viommu.h"

static int fd;
static struct guest g;

static long cache_is(uint32_t device, uint32_t index, uint32_t value)
{
	struct iommu_test_cmd cmd = {.check_word = {.index = index, .value = value}};

	return testcmd(fd, TESTCMD_CHECK_CACHE, device, &cmd);
}

static long invalidate(uint32_t id, uint32_t type, void *entries, uint32_t len, uint32_t *nr)
{
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = id,
					    .data_uptr = (uintptr_t)entries,
					    .data_type = type,
					    .entry_len = len,
					    .entry_num = *nr};
	long rc = call(fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*nr = cmd.entry_num;
	return rc;
}

static void ids(uint32_t viommu)
{
	struct test_ids second;
	uint32_t a, b;

	check("second device", test_device(fd, g.ioas, 0, &second), 0);
	check("no viommu", vdevice_alloc(fd, 99, g.dev.device, 1, &a), -ENOENT);
	check("no viommu, no device", vdevice_alloc(fd, g.ioas, 99, 1, &a), -ENOENT);
	check("no device", vdevice_alloc(fd, viommu, 99, 1, &a), -ENOENT);
	check("a vdevice", vdevice_alloc(fd, viommu, g.dev.device, 0x99, &a), 0);
	check("again", vdevice_alloc(fd, viommu, g.dev.device, 0x98, &b), -EEXIST);
	check("its id", vdevice_alloc(fd, viommu, second.device, 0x99, &b), -EEXIST);
	check("another", vdevice_alloc(fd, viommu, second.device, UINT64_MAX, &b), 0);
	check("the viommu stays", destroy(fd, viommu), -EBUSY);
	check("the device stays", destroy(fd, g.dev.device), -EBUSY);
	check("it goes", destroy(fd, a), 0);
	check("its id is free", vdevice_alloc(fd, viommu, g.dev.device, 0x99, &a), 0);
	check("it goes", destroy(fd, a), 0);
	check("the device of the other goes", destroy(fd, second.test), 0);
	check("and its vdevice", destroy(fd, b), -ENOENT);
	check("third device", test_device(fd, g.ioas, 0, &second), 0);
	check("its vdevice", vdevice_alloc(fd, viommu, second.device, UINT64_MAX, &a), 0);
	check("has a new id", a == b, 0);
	check("the device goes", destroy(fd, second.test), 0);
}

static void caches(uint32_t viommu)
{
	struct testcmd_viommu_invalidate e[2] = {{0, 0x99, 1}, {0, 0x98, 0}};
	struct {
		struct testcmd_viommu_invalidate entry;
		uint32_t tail;
	} more = {{0, 0x99, 2}, 1};
	uint32_t vdevice, nr = 0, type = TESTCMD_TYPE_INVALIDATE;

	check("vdevice", vdevice_alloc(fd, viommu, g.dev.device, 0x99, &vdevice), 0);
	check("nothing", invalidate(viommu, type, NULL, 0, &nr), 0);
	check("nothing of another type", invalidate(viommu, 1, NULL, 0, &nr), -EINVAL);
	nr = 2;
	check("one of two", invalidate(viommu, type, e, sizeof(e[0]), &nr), -EINVAL);
	check("is done", nr, 1);
	check("its word", cache_is(g.dev.device, 1, 0), 0);
	check("no other", cache_is(g.dev.device, 0, TESTCMD_CACHE_INITIAL), 0);
	e[1] = (struct testcmd_viommu_invalidate){2, 0x99, 0};
	nr = 2;
	check("unknown flag", invalidate(viommu, type, e, sizeof(e[0]), &nr), -EOPNOTSUPP);
	check("one is done", nr, 1);
	e[1] = (struct testcmd_viommu_invalidate){0, 0x99, TESTCMD_CACHE_NR};
	nr = 2;
	check("no such word", invalidate(viommu, type, e, sizeof(e[0]), &nr), -EINVAL);
	nr = 1;
	check("a tail", invalidate(viommu, type, &more, sizeof(more), &nr), -E2BIG);
	check("none is done", nr, 0);
	more.tail = 0;
	nr = 1;
	check("a tail of zeroes", invalidate(viommu, type, &more, sizeof(more), &nr), 0);
	check("one is done", nr, 1);
	check("its word", cache_is(g.dev.device, 2, 0), 0);
	check("nowhere", invalidate(viommu, type, WILD, sizeof(e[0]), &nr), -EFAULT);
	check("none is done", nr, 0);
	e[0].flags = TESTCMD_INVALIDATE_ALL;
	nr = 1;
	check("all", invalidate(viommu, type, e, sizeof(e[0]), &nr), 0);
	check("each word", cache_is(g.dev.device, 3, 0), 0);
	check("the vdevice goes", destroy(fd, vdevice), 0);
}

static void attaching(uint32_t viommu)
{
	uint32_t vdevice, nested;

	check("nested", nested_alloc(fd, viommu, g.dev.device, &nested), 0);
	check("attach, unknown", replace(fd, g.dev.test, nested, NULL), -ENOENT);
	check("vdevice", vdevice_alloc(fd, viommu, g.dev.device, 1, &vdevice), 0);
	check("attach", replace(fd, g.dev.test, nested, NULL), 0);
	check("nested stays", destroy(fd, nested), -EBUSY);
	check("back", replace(fd, g.dev.test, g.ioas, NULL), 0);
	check("nested goes", destroy(fd, nested), 0);
	check("vdevice goes", destroy(fd, vdevice), 0);
}

int main(void)
{
	uint32_t viommu;

	fd = open_guest_or_skip(&g);
	check("viommu", viommu_alloc(fd, g.dev.device, g.parent, &viommu), 0);
	ids(viommu);
	caches(viommu);
	attaching(viommu);
	check("the viommu goes", destroy(fd, viommu), 0);
	return check_done();
}
