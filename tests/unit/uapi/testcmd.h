/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD as the tests of its devices call it. */
#ifndef TESTS_UNIT_UAPI_TESTCMD_H
#define TESTS_UNIT_UAPI_TESTCMD_H

#include <string.h>
#include <sys/mman.h>
#include <ioas/uapi/iommufd_test.h>
#include "util/inject.h"
#include "world.h"

#define IOVA  ((uint64_t)TESTCMD_APERTURE_FIRST)
#define FIXED (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_FIXED_IOVA)

static inline long testcmd(struct world *w, int fd, uint32_t op, uint32_t id,
			   struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return w_ioctl(w, fd, IOMMU_TEST_CMD, cmd);
}

static inline long device(struct world *w, int fd, uint32_t pt, uint32_t flags,
			  struct iommu_test_cmd *cmd)
{
	*cmd = (struct iommu_test_cmd){.device = {.flags = flags}};
	return testcmd(w, fd, TESTCMD_DEVICE_FLAGS, pt, cmd);
}

static inline long destroy(struct world *w, int fd, uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	return w_ioctl(w, fd, IOMMU_DESTROY, &cmd);
}

static inline long hwpt_alloc(struct world *w, int fd, struct iommu_hwpt_alloc *cmd)
{
	cmd->size = sizeof(*cmd);
	return w_ioctl(w, fd, IOMMU_HWPT_ALLOC, cmd);
}

static inline long pasid(struct world *w, int fd, uint32_t op, uint32_t test, uint32_t nr,
			 uint32_t pt)
{
	struct iommu_test_cmd cmd = {.pasid = {.pasid = nr, .pt_id = pt}};

	return testcmd(w, fd, op, test, &cmd);
}

static inline long iotlb(struct world *w, int fd, uint32_t hwpt, uint32_t index, uint32_t value)
{
	struct iommu_test_cmd cmd = {.check_word = {.index = index, .value = value}};

	return testcmd(w, fd, TESTCMD_CHECK_IOTLB, hwpt, &cmd);
}

static inline long access_new(struct world *w, int fd, uint32_t ioas, struct iommu_test_cmd *cmd)
{
	*cmd = (struct iommu_test_cmd){.access = {.flags = TESTCMD_ACCESS_NEEDS_PIN}};
	return testcmd(w, fd, TESTCMD_ACCESS, ioas, cmd);
}

static inline long access_pin(struct world *w, int fd, int access, struct iommu_test_cmd *cmd)
{
	*cmd = (struct iommu_test_cmd){.access_pin = {.flags = TESTCMD_ACCESS_WRITE,
						      .iova = IOVA,
						      .length = 3 * PAGE,
						      .uptr = (uintptr_t)w->page}};
	return testcmd(w, fd, TESTCMD_ACCESS_PIN, (uint32_t)access, cmd);
}

static inline long access_rw(struct world *w, int fd, int access, uint32_t flags, uint64_t iova,
			     uint64_t len, void *buf)
{
	struct iommu_test_cmd cmd = {
		.access_rw = {.iova = iova, .length = len, .uptr = (uintptr_t)buf, .flags = flags}};

	return testcmd(w, fd, TESTCMD_ACCESS_RW, (uint32_t)access, &cmd);
}

static inline long pins(struct world *w, int fd, void *va, uint32_t nr)
{
	struct iommu_test_cmd cmd = {
		.check_pins = {.length = PAGE, .uptr = (uintptr_t)va, .pins = nr}};

	return testcmd(w, fd, TESTCMD_CHECK_PINS, 0, &cmd);
}

/* The next id says whether anything was left behind. */
static inline void assert_next_id(struct world *w, int fd, uint32_t id)
{
	assert_int_equal(w_ioas(w, fd), id);
	assert_int_equal(destroy(w, fd, id), 0);
}

/* Makes `call` fail at its first, second, ... point until it does not; says how it ended. */
#define SWEEP(w, fd, next, call)                                                          \
	({                                                                                \
		long rc_;                                                                 \
		for (unsigned nth_ = 1;; nth_++) {                                        \
			unsigned left_;                                                   \
			inject_arm(nth_);                                                 \
			rc_ = (call);                                                     \
			left_ = inject_remaining();                                       \
			inject_arm(0);                                                    \
			if (left_ || !rc_)                                                \
				break;                                                    \
			assert_true(rc_ == -ENOMEM || rc_ == -ENOENT || rc_ == -EFAULT || \
				    rc_ == -EINVAL);                                      \
			if (next)                                                         \
				assert_next_id(w, fd, next);                              \
		}                                                                         \
		rc_;                                                                      \
	})

#endif
