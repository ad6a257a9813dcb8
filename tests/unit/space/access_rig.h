/* SPDX-License-Identifier: MIT */
/* For tests of accesses: one that pins, of a space, and PAGES pages of memory, which the test says.
 */
#ifndef TESTS_UNIT_SPACE_ACCESS_RIG_H
#define TESTS_UNIT_SPACE_ACCESS_RIG_H

#include <sys/mman.h>
#include <ioas/access.h>

static struct ioas_iommu *iommu;
static struct ioas_space *space;
static struct ioas_access *access_of;
static char *mem;

static inline void rig_start(const struct ioas_access_ops *ops)
{
	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(ioas_space_new(iommu, &space), 0);
	assert_int_equal(ioas_access_new(iommu, ops, NULL, IOAS_ACCESS_PINS, &access_of), 0);
	assert_int_equal(ioas_access_attach(access_of, space, NULL), 0);
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
}

static inline int rig_stop(void **state)
{
	ioas_access_destroy(access_of);
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
	munmap(mem, PAGES * PAGE);
	return 0;
}

#endif
