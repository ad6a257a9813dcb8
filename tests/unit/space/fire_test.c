/* SPDX-License-Identifier: MIT */
/*
 * Description: a device writes at full speed through a real space: what UNMAP returned belongs to
 * the program again, and an alias of the same pages that stays mapped and busy holds nobody up.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include "rig.h"
#include "route/route.h"
#include "tlp/tlp.h"

#define PAGES  4
#define LEN    (PAGES * PAGE)
#define ALIAS  0x900000ull
#define ROUNDS 200

struct gunner {
	struct ioas_device *dev;
	iova_t iova;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic uint64_t hits;
};

static struct {
	struct ioas_iommu *iommu;
	struct ioas_space *space;
	struct ioas_device *dev;
	char *memory;
} t;

static void *fire(void *arg)
{
	static const char shells[LEN] = {[0 ... LEN - 1] = 0x11};
	struct gunner *gunner = arg;
	struct ioas_issuer *issuer;

	assert_int_equal(ioas_issuer_new(gunner->dev, &issuer), 0);
	while (!atomic_load(&gunner->stop))
		if (!ioas_dma_write(issuer, gunner->iova, shells, LEN))
			atomic_fetch_add(&gunner->hits, 1);
	ioas_issuer_destroy(issuer);
	return NULL;
}

static void start(struct gunner *gunner, iova_t iova)
{
	*gunner = (struct gunner){.dev = t.dev, .iova = iova};
	assert_int_equal(pthread_create(&gunner->thread, NULL, fire, gunner), 0);
}

static void stop(struct gunner *gunner)
{
	atomic_store(&gunner->stop, true);
	pthread_join(gunner->thread, NULL);
}

static void wait_for_hit(struct gunner *gunner)
{
	uint64_t before = atomic_load(&gunner->hits);

	while (atomic_load(&gunner->hits) == before)
		sched_yield();
}

static int setup(void **state)
{
	assert_int_equal(ioas_iommu_new(NULL, &t.iommu), 0);
	assert_int_equal(ioas_space_new(t.iommu, &t.space), 0);
	assert_int_equal(route_device_new(t.iommu, "0000:01:00.0", 0, 0x100, &t.dev), 0);
	assert_int_equal(ioas_device_bind(t.dev, IOAS_FORM_RID, 0, NULL), 0);
	route_dma_enable(t.dev, true);
	t.memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(t.memory != MAP_FAILED);
	return 0;
}

static int teardown(void **state)
{
	ioas_device_detach(t.dev);
	ioas_device_unbind(t.dev);
	route_device_destroy(t.dev);
	ioas_space_put(t.space);
	ioas_iommu_destroy(t.iommu);
	munmap(t.memory, LEN);
	return 0;
}

static iova_t map(uint32_t flags, iova_t iova)
{
	assert_int_equal(
		ioas_space_map(t.space, NULL, &iova, (uintptr_t)t.memory, LEN, flags | RW, NULL),
		0);
	return iova;
}

static void unmap(iova_t iova)
{
	uint64_t len;

	assert_int_equal(ioas_space_unmap(t.space, iova, iova + LEN - 1, &len, NULL), 0);
	assert_int_equal(len, LEN);
}

static void nothing_is_written_after_unmap(void **state)
{
	struct gunner gunner;

	assert_int_equal(ioas_device_attach(t.dev, t.space, NULL), 0);
	start(&gunner, 0x4000);
	for (unsigned i = 0; i < ROUNDS; i++) {
		map(IOAS_MAP_FIXED, 0x4000);
		wait_for_hit(&gunner);
		unmap(0x4000);
		memset(t.memory, 0x5c, LEN);
		sched_yield();
		for (size_t k = 0; k < LEN; k++)
			assert_int_equal(t.memory[k], 0x5c);
	}
	stop(&gunner);
}

static void a_busy_alias_does_not_hold_up_unmap(void **state)
{
	struct gunner gunner;
	iova_t alias = ALIAS;

	assert_int_equal(ioas_device_attach(t.dev, t.space, NULL), 0);
	map(IOAS_MAP_FIXED, 0x4000);
	assert_int_equal(
		ioas_space_copy(t.space, &alias, t.space, 0x4000, LEN, RW | IOAS_MAP_FIXED, NULL),
		0);
	start(&gunner, ALIAS);
	for (unsigned i = 0; i < ROUNDS; i++) {
		iova_t iova = 0x4000;

		wait_for_hit(&gunner);
		unmap(iova);
		assert_int_equal(ioas_space_copy(t.space, &iova, t.space, ALIAS, LEN,
						 RW | IOAS_MAP_FIXED, NULL),
				 0);
	}
	stop(&gunner);
	unmap(ALIAS);
	unmap(0x4000);
}

static void what_was_mapped_before_attach_is_there_at_once(void **state)
{
	struct ioas_issuer *issuer;
	iova_t iova = map(0, 0);

	assert_int_equal(ioas_issuer_new(t.dev, &issuer), 0);
	memset(t.memory, 0, LEN);
	assert_int_equal(ioas_dma_write(issuer, iova, "abc", 3), -EFAULT);
	assert_int_equal(ioas_device_attach(t.dev, t.space, NULL), 0);
	assert_int_equal(ioas_dma_write(issuer, iova + PAGE - 1, "abc", 3), 0);
	assert_memory_equal(t.memory + PAGE - 1, "abc", 3);
	ioas_issuer_destroy(issuer);
}

/* Real memory, and what the kernel says of it. */
static void memory_is_checked_when_it_is_mapped(void **state)
{
	iova_t iova = 0;

	assert_int_equal(ioas_device_attach(t.dev, t.space, NULL), 0);
	assert_int_equal(mprotect(t.memory + PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(ioas_space_map(t.space, NULL, &iova, (uintptr_t)t.memory, LEN, RW, NULL),
			 -EFAULT);
	assert_int_equal(
		ioas_space_map(t.space, NULL, &iova, (uintptr_t)t.memory, LEN, IOAS_MAP_READ, NULL),
		0);
	assert_int_equal(munmap(t.memory + PAGE, PAGE), 0);
	assert_int_equal(
		ioas_space_map(t.space, NULL, &iova, (uintptr_t)t.memory, LEN, IOAS_MAP_READ, NULL),
		-EFAULT);
	assert_int_equal(space_area_nr(t.space), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(nothing_is_written_after_unmap),
		TEST(a_busy_alias_does_not_hold_up_unmap),
		TEST(what_was_mapped_before_attach_is_there_at_once),
		TEST(memory_is_checked_when_it_is_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
