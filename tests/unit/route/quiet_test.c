/* SPDX-License-Identifier: MIT */
/*
 * Description: finding a route, and a TLP that passes, allocate nothing and take no lock, however
 * many requester IDs and PASIDs there are. This program's malloc and mutexes count.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <ioas/space.h>
#include "iommu.h"
#include "route/route.h"
#include "tlp/tlp.h"

#define DEVICES 600
#define PASIDS	300
#define PAGE	4096u
#define IOVA	0x10000ull

static _Thread_local unsigned taken; /* allocations and locks */

#define COUNT(type, name, params, args)    \
	type __real_##name params;         \
	type __wrap_##name params;         \
	type __wrap_##name params          \
	{                                  \
		taken++;                   \
		return __real_##name args; \
	}
COUNT(void *, malloc, (size_t size), (size))
COUNT(void *, calloc, (size_t nr, size_t size), (nr, size))
COUNT(void *, realloc, (void *old, size_t size), (old, size))
COUNT(void *, aligned_alloc, (size_t align, size_t size), (align, size))
COUNT(int, posix_memalign, (void **out, size_t align, size_t size), (out, align, size))
COUNT(int, pthread_mutex_lock, (pthread_mutex_t * lock), (lock))
COUNT(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
COUNT(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))

static struct ioas_iommu *iommu;
static struct ioas_space *space;
static struct ioas_device *dev[DEVICES];
static struct ioas_issuer *issuer;
static void *page;

/* Far apart from one another, each once. */
static pasid_t pasid_of(unsigned i)
{
	return (pasid_t)(i * 3491u);
}

static int setup(void **arg)
{
	iova_t iova = IOVA;
	char name[IOAS_NAME_LEN];

	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(ioas_space_new(iommu, &space), 0);
	page = aligned_alloc(PAGE, PAGE);
	assert_int_equal(ioas_space_map(space, NULL, &iova, (uintptr_t)page, PAGE,
					IOAS_MAP_READ | IOAS_MAP_WRITE | IOAS_MAP_FIXED, NULL),
			 0);
	for (unsigned i = 0; i < DEVICES; i++) {
		snprintf(name, sizeof(name), "device %u", i);
		assert_int_equal(route_device_new(iommu, name, 0, (rid_t)(i * 97), &dev[i]), 0);
		assert_int_equal(
			ioas_device_bind(dev[i], IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL), 0);
		route_dma_enable(dev[i], true);
		assert_int_equal(ioas_device_attach(dev[i], space, NULL), 0);
	}
	for (unsigned i = 0; i < PASIDS; i++)
		assert_int_equal(ioas_device_attach_pasid(dev[0], pasid_of(i), space, NULL), 0);
	assert_int_equal(ioas_issuer_new(dev[0], &issuer), 0);
	assert_true(taken > DEVICES); /* they do count */
	return 0;
}

static int teardown(void **arg)
{
	ioas_issuer_destroy(issuer);
	for (unsigned i = 0; i < PASIDS; i++)
		ioas_device_detach_pasid(dev[0], pasid_of(i));
	for (unsigned i = 0; i < DEVICES; i++) {
		ioas_device_detach(dev[i]);
		ioas_device_unbind(dev[i]);
		route_device_destroy(dev[i]);
	}
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
	free(page);
	return 0;
}

static void lookups_take_nothing(void **arg)
{
	unsigned found = 0;

	taken = 0;
	inflight_enter(&issuer->mark);
	for (unsigned i = 0; i < DEVICES; i++)
		found += route_find(iommu, ROUTE_PCI, i * 97) == dev[i]->set;
	for (unsigned i = 0; i < PASIDS; i++) {
		pasid_t pasid = pasid_of(i);

		found += route_entry_find(dev[0]->set, &pasid)->to != NULL;
	}
	inflight_leave(&issuer->mark);
	assert_int_equal(taken, 0);
	assert_int_equal(found, DEVICES + PASIDS);
}

static void tlps_that_pass_take_nothing(void **arg)
{
	struct ioas_tlp tlp = {.addr = IOVA + 8, .len = 64, .op = IOAS_TLP_WRITE};
	unsigned failed = 0;
	char bytes[64] = {1};

	taken = 0;
	failed += ioas_tlp_issue(issuer, &tlp, bytes) != 0;
	tlp.op = IOAS_TLP_READ;
	failed += ioas_tlp_issue(issuer, &tlp, bytes) != 0;
	tlp.flags = IOAS_TLP_PASID;
	for (unsigned i = 0; i < PASIDS; i++) {
		tlp.pasid = pasid_of(i);
		failed += ioas_tlp_issue(issuer, &tlp, bytes) != 0;
	}
	assert_int_equal(taken, 0);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lookups_take_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(tlps_that_pass_take_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
